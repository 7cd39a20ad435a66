// A model in its worker: the file it came from, its sessions, and the runs that are open on it.
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { invalid, ZerothError } from '../errors.ts';
import type { Additions } from '../journal/journal.ts';
import { byPosition, type PositionForward } from '../model/forward/position-forward.ts';
import { checkChosen, isAboutModel, type Probe, probe } from '../model/forward/probe.ts';
import type { ModelGraph, Parameter } from '../model/graph/graph.ts';
import type { WholeHead } from '../model/graph/positions.ts';
import { initialValues, withWeights } from '../model/graph/promote.ts';
import type { ObjectiveFile } from '../model/objective/operator-objective.ts';
import type { BoundForward, DeviceName, Session } from '../runtime/runtime.ts';
import type { Weights } from '../weights/weights.ts';
import { CopyAccount, WeightsBudget } from './budget.ts';
import { Compute } from './compute.ts';
import { FileFacts } from './file-facts.ts';
import type { ExportFormat, ModelInfo, WorkerCalls, WorkerOptions } from './messages.ts';
import { ModelFile } from './model-file.ts';
import { ObjectiveShelf } from './objective-shelf.ts';
import { OpenRun } from './open-run.ts';
import { type Plan, planFor, scopeOf } from './plan.ts';
import { mergedFile, toRunGraph, weightsFile } from './run-graph.ts';
import { Seat } from './seat.ts';

/** A plan, and a session that has shown that it is the model. */
type Bound = { readonly plan: Plan; readonly forward: PositionForward & BoundForward };

/** What is made of the file again where a run needs it. */
type OfRun = { readonly trainable: readonly Parameter[]; readonly additions: Additions };

/** Runs that train the same tensors share a session: their weights are its inputs. */
type SharedSession = { readonly session: Session; users: number };

export class ModelHost {
  readonly #options: WorkerOptions;
  readonly #runs = new Map<string, OpenRun>();
  /** By the names of the promoted tensors, and what was put into the model. */
  readonly #sessions = new Map<string, SharedSession>();
  /** What the original gives on made-up rows: every session of a run is held against it. */
  #probe: Probe | undefined;
  #opened: Compute | undefined;
  readonly #facts = new FileFacts();
  readonly #objectives: ObjectiveShelf;
  #path = '';
  #sha256 = '';

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#objectives = new ObjectiveShelf(options.objectiveMsMax);
  }

  /** Opened when it is first needed: the device may not be there. */
  get #compute(): Compute {
    this.#opened ??= new Compute(this.#options);
    return this.#opened;
  }

  tryDevice(): null {
    this.#compute.check();
    return null;
  }

  async setObjectives(files: readonly ObjectiveFile[]): Promise<null> {
    await this.#objectives.put(files);
    this.#opened?.lossPrograms.keepFiles(this.#objectives.digests);
    return null;
  }

  async load({ path, bytesMax }: WorkerCalls['loadModel']['in']): Promise<ModelInfo> {
    const { size } = statSync(path);
    if (size > bytesMax)
      throw new ZerothError('exhausted', `path: the file has ${size} bytes, modelBytesMax is ${bytesMax}`);
    this.#path = path;
    const { inputs, outputs, parameters } = this.#describe();
    // Thrown away: it shows that the runtime can run the model at all, and what comes out.
    const { runtime, device } = this.#compute;
    const session = await runtime.createSession(path, { field: 'path', isProfiled: device !== 'cpu' });
    let fallbacks: readonly string[] | undefined;
    try {
      this.#probe = await probe(session, inputs, outputs, parameters);
      fallbacks = session.fallbacks?.();
    } finally {
      await session.release();
    }
    const isProbed = this.#probe !== undefined;
    const info = { sha256: this.#sha256, inputs, outputs, parameters, isProbed, device };
    const known = device === 'cpu' ? [] : isProbed ? fallbacks : undefined;
    if (this.#options.strictDevice) checkStrictly(device, known);
    this.#compute.check();
    return { ...info, fallbacks: known, slowness: this.#compute.slowness };
  }

  #describe(): Pick<ModelGraph, 'inputs' | 'outputs' | 'parameters'> {
    using file = ModelFile.read(this.#path, this.#facts);
    this.#sha256 = file.sha256;
    const { inputs, outputs, parameters } = file.graph;
    return { inputs, outputs, parameters };
  }

  run(name: string): OpenRun {
    const run = this.#runs.get(name);
    if (run === undefined) throw new Error(`${name} is not open in this worker`);
    return run;
  }

  async openRun(request: WorkerCalls['openRun']['in']): Promise<WorkerCalls['openRun']['out']> {
    const plan = this.#plan(request);
    const { trainable } = plan;
    const budget = new WeightsBudget(this.#options.budget);
    checkRoom(trainable, budget.left);
    const weights = this.#compute.openWeights(trainable, request.table);
    try {
      return await this.#openOn(weights, request, plan, budget);
    } catch (error) {
      weights.release();
      throw error;
    }
  }

  async #openOn(
    weights: Weights,
    request: WorkerCalls['openRun']['in'],
    plan: Plan,
    budget: WeightsBudget,
  ): Promise<WorkerCalls['openRun']['out']> {
    const { trainable } = plan;
    const ofRun = { trainable, additions: request.additions };
    const baseValues = () => this.#baseValues(ofRun);
    const copies = new CopyAccount(budget, request.copies);
    const { snapshotWayMax } = this.#options;
    const seat = new Seat({ weights, baseValues, copies, snapshotWayMax });
    const baseSha256 = seat.digestAt(0);
    const { plan: bound, forward } = await this.#bindEither(plan, request, weights);
    this.#runs.set(
      request.run,
      new OpenRun({
        seat,
        prepare: (work) => bound.evaluator.prepare(forward, work),
        prepareOutputs: (work) => bound.evaluator.prepareOutputs(forward, work),
        write: (format, values) => this.#write(format, ofRun, values),
        release: () => {
          forward[Symbol.dispose]();
          weights.release();
          return this.#release(bound.sessionKey);
        },
      }),
    );
    return { trainable, baseSha256, weightsBytes: weights.bytes, positions: scopeOf(bound) };
  }

  async closeRun(name: string): Promise<null> {
    await this.#runs.get(name)?.close();
    this.#runs.delete(name);
    return null;
  }

  async close(): Promise<null> {
    try {
      for (const name of [...this.#runs.keys()]) await this.closeRun(name);
    } finally {
      await this.#opened?.close();
    }
    return null;
  }

  /**
   * What a run needs of the file, without holding the file.
   * @param whole Why all positions go through the head, if something has shown that they have to.
   */
  #plan(request: WorkerCalls['openRun']['in'], whole?: WholeHead): Plan {
    using file = this.#open();
    const programs = this.#compute.lossPrograms;
    const positions = whole ?? (this.#probe && 'chosen');
    const objectives = this.#objectives;
    return planFor(file, request, { options: this.#options, objectives, programs, positions });
  }

  /**
   * The file, read again: the base weights are needed for a rebuild and an export only, and keeping
   * them would double the memory of a model.
   * @throws ZerothError data-loss where the file is gone or another one.
   */
  #open(): ModelFile {
    let file: ModelFile;
    try {
      file = ModelFile.read(this.#path, this.#facts);
    } catch (error) {
      throw new ZerothError('data-loss', 'the file of the model cannot be read any more', {}, error);
    }
    const found = file.sha256;
    if (found === this.#sha256) return file;
    file[Symbol.dispose]();
    const message = `the file of the model has changed: expected SHA-256 ${this.#sha256}, got ${found}`;
    throw new ZerothError('data-loss', message);
  }

  /** Tensor by tensor, in the same memory. */
  #baseValues({ trainable, additions }: OfRun): Iterable<Float32Array> {
    const opened = this.#open();
    return (function* () {
      using file = opened;
      const { graph } = toRunGraph(file.graph, additions);
      const memory = new ArrayBuffer(Math.max(0, ...trainable.map(({ bytes }) => bytes)));
      for (const { name } of trainable) yield initialValues(graph, name, memory);
      memory.transfer(0);
    })();
  }

  #write(
    format: ExportFormat,
    { trainable, additions }: OfRun,
    values: ReadonlyMap<string, Float32Array>,
  ): Uint8Array {
    if (format === 'safetensors') return weightsFile(trainable, values);
    using file = this.#open();
    if (format === 'onnx-merged') return mergedFile(file.graph, additions, values);
    return withWeights(toRunGraph(file.graph, additions).graph, values);
  }

  /**
   * Where a graph that chooses positions cannot run, or gives something else than the file's, the run has one that does not: a function of
   * the model alone, as a restart has to decide the same.
   */
  async #bindEither(plan: Plan, request: WorkerCalls['openRun']['in'], weights: Weights): Promise<Bound> {
    try {
      return await this.#bind(plan, weights);
    } catch (error) {
      const { positions } = plan;
      if (positions === undefined || 'why' in positions || !isAboutModel(error)) throw error;
      const whole = { output: positions.output, why: (error as Error).message };
      return this.#bind(this.#plan(request, whole), weights);
    }
  }

  /** A session on these weights, the base, that gives what the file's own graph gives, or its like. */
  async #bind(plan: Plan, weights: Weights): Promise<Bound> {
    const { positions, evaluator } = plan;
    const session = await this.#acquire(plan);
    let forward: Bound['forward'] | undefined;
    try {
      forward = session.bind(bindings(weights));
      if (positions !== undefined && 'input' in positions) forward = byPosition(forward, positions);
      if (this.#probe !== undefined) {
        await plan.check(this.#probe, forward);
        await checkChosen(this.#probe, forward);
      }
      await evaluator.tryPadding(forward);
      return { plan, forward };
    } catch (error) {
      forward?.[Symbol.dispose]();
      await this.#release(plan.sessionKey);
      throw error;
    }
  }

  async #acquire({ sessionKey: key, promoted }: Plan): Promise<Session> {
    const shared = this.#sessions.get(key) ?? {
      session: await this.#compute.runtime.createSession(promoted, {
        field: 'model',
        folder: dirname(this.#path),
      }),
      users: 0,
    };
    shared.users++;
    this.#sessions.set(key, shared);
    return shared.session;
  }

  async #release(key: string): Promise<void> {
    const shared = this.#sessions.get(key);
    if (shared === undefined || --shared.users > 0) return;
    this.#sessions.delete(key);
    await shared.session.release();
  }
}

function checkStrictly(device: DeviceName, fallbacks: readonly string[] | undefined): void {
  if (fallbacks?.length === 0) return;
  const got =
    fallbacks === undefined
      ? 'one that does not run on made-up rows, so that it is not known'
      : `one of which the host computes ${fallbacks.join(', ')}`;
  throw invalid('path', `a model that ${device} computes all of (strictDevice)`, got);
}

function checkRoom(trainable: readonly Parameter[], weightsBytesMax: number): void {
  const bytes = trainable.reduce((total, parameter) => total + parameter.bytes, 0);
  if (bytes <= weightsBytesMax) return;
  const message = `trainable: expected at most ${weightsBytesMax} bytes of weights (what weightsBytesMax leaves), got ${bytes}`;
  throw new ZerothError('exhausted', message);
}

function bindings(weights: Weights) {
  const values = weights.values();
  return weights.specs.map(({ name, shape }, tensor) => ({ name, shape, value: values[tensor] }));
}
