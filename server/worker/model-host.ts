// A model in its worker: the file it came from, its sessions, and the runs that are open on it.
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { ZerothError } from '../errors.ts';
import { type ModelGraph, type Parameter, readModel } from '../model/graph.ts';
import { initialValues, promote, withWeights } from '../model/promote.ts';
import { exportSafetensors } from '../model/safetensors.ts';
import { selectTrainable, trainableNamed } from '../model/select.ts';
import { createSession } from '../runtime/node.ts';
import type { Session } from '../runtime/runtime.ts';
import { CREW_WEIGHTS_MIN, Crew } from '../weights/crew.ts';
import { HostWeights } from '../weights/host.ts';
import type { Weights } from '../weights/weights.ts';
import { CopyAccount, WeightsBudget } from './budget.ts';
import { evaluatorFor } from './evaluator.ts';
import type { ExportFormat, ModelInfo, TrainableChoice, WorkerCalls, WorkerOptions } from './messages.ts';
import { OpenRun } from './open-run.ts';
import { Seat } from './seat.ts';

/** Runs that train the same tensors share a session: their weights are its inputs. */
type SharedSession = { readonly session: Session; users: number };

export class ModelHost {
  readonly #options: WorkerOptions;
  readonly #runs = new Map<string, OpenRun>();
  /** Moves use as many cores as forward passes may, up to two. */
  readonly #crew: Crew | undefined;
  /** By the names of the promoted tensors. */
  readonly #sessions = new Map<string, SharedSession>();
  #path = '';
  #sha256 = '';

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#crew = options.threads > 1 ? new Crew() : undefined;
  }

  async load({ path, bytesMax }: WorkerCalls['loadModel']['in']): Promise<ModelInfo> {
    const { size } = statSync(path);
    if (size > bytesMax)
      throw new ZerothError('exhausted', `path: the file has ${size} bytes, modelBytesMax is ${bytesMax}`);
    this.#path = path;
    const file = readFileSync(path);
    this.#sha256 = sha256Of(file);
    const { inputs, outputs, parameters } = readModel(file);
    // Thrown away: it shows that the runtime can run the model at all.
    const session = await createSession(file, { ...this.#options, field: 'path' });
    await session.release();
    return { sha256: this.#sha256, inputs, outputs, parameters };
  }

  run(name: string): OpenRun {
    const run = this.#runs.get(name);
    if (run === undefined) throw new Error(`${name} is not open in this worker`);
    return run;
  }

  async openRun(request: WorkerCalls['openRun']['in']): Promise<WorkerCalls['openRun']['out']> {
    const graph = this.#read();
    const trainable = choose(graph, request.trainable);
    const evaluator = evaluatorFor(graph, this.#options);
    evaluator.checkObjective(request.objective);
    const budget = new WeightsBudget(this.#options.budget);
    checkRoom(trainable, budget.left);
    const crew = this.#crew && { threads: this.#crew, weightsMin: CREW_WEIGHTS_MIN };
    const weights = new HostWeights(trainable, request.table, { crew });
    const baseValues = () => this.#baseValues(trainable);
    const copies = new CopyAccount(budget, request.copies);
    const { snapshotWayMax } = this.#options;
    const seat = new Seat({ weights, baseValues, copies, snapshotWayMax });
    const baseSha256 = seat.digestAt(0);
    const names = trainable.map(({ name }) => name);
    const session = await this.#acquire(graph, names);
    const forward = session.bind(bindings(weights));
    this.#runs.set(
      request.run,
      new OpenRun({
        seat,
        prepare: (work) => evaluator.prepare(forward, work),
        write: (format, values) => this.#write(format, trainable, values),
        release: () => {
          weights.release();
          return this.#release(names);
        },
      }),
    );
    return { trainable, baseSha256, weightsBytes: weights.bytes };
  }

  async closeRun(name: string): Promise<null> {
    await this.#runs.get(name)?.close();
    this.#runs.delete(name);
    return null;
  }

  async close(): Promise<null> {
    for (const name of [...this.#runs.keys()]) await this.closeRun(name);
    await this.#crew?.close();
    return null;
  }

  /**
   * The file, read again: the base weights are needed for a rebuild and an export only, and keeping
   * them would double the memory of a model.
   * @throws ZerothError data-loss where the file is gone or another one.
   */
  #read(): ModelGraph {
    let file: Buffer;
    try {
      file = readFileSync(this.#path);
    } catch (error) {
      throw new ZerothError('data-loss', 'the file of the model cannot be read any more', {}, error);
    }
    const found = sha256Of(file);
    if (found !== this.#sha256)
      throw new ZerothError(
        'data-loss',
        `the file of the model has changed: expected SHA-256 ${this.#sha256}, got ${found}`,
      );
    return readModel(file);
  }

  #baseValues(trainable: readonly Parameter[]): Iterable<Float32Array> {
    const graph = this.#read();
    return (function* () {
      for (const { name } of trainable) yield initialValues(graph, name);
    })();
  }

  #write(
    format: ExportFormat,
    trainable: readonly Parameter[],
    values: ReadonlyMap<string, Float32Array>,
  ): Uint8Array {
    if (format === 'onnx') return withWeights(this.#read(), values);
    const tensors = trainable.map((parameter) => {
      const { buffer, byteOffset, byteLength } = values.get(parameter.name)!;
      return { ...parameter, data: new Uint8Array(buffer, byteOffset, byteLength) };
    });
    return exportSafetensors(tensors);
  }

  async #acquire(graph: ModelGraph, names: readonly string[]): Promise<Session> {
    const key = JSON.stringify(names);
    const shared = this.#sessions.get(key) ?? {
      session: await createSession(promote(graph, names), { ...this.#options, field: 'model' }),
      users: 0,
    };
    shared.users++;
    this.#sessions.set(key, shared);
    return shared.session;
  }

  async #release(names: readonly string[]): Promise<void> {
    const key = JSON.stringify(names);
    const shared = this.#sessions.get(key);
    if (shared === undefined || --shared.users > 0) return;
    this.#sessions.delete(key);
    await shared.session.release();
  }
}

function choose(graph: ModelGraph, choice: TrainableChoice): Parameter[] {
  return choice.kind === 'patterns' ? selectTrainable(graph, choice) : trainableNamed(graph, choice.names);
}

function checkRoom(trainable: readonly Parameter[], weightsBytesMax: number): void {
  const bytes = trainable.reduce((total, parameter) => total + parameter.bytes, 0);
  if (bytes <= weightsBytesMax) return;
  const message = `trainable: expected at most ${weightsBytesMax} bytes of weights (what weightsBytesMax leaves), got ${bytes}`;
  throw new ZerothError('exhausted', message);
}

function bindings(weights: Weights) {
  const views = weights.views();
  return weights.specs.map(({ name, shape }, tensor) => ({ name, shape, view: views[tensor] }));
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
