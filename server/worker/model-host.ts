// A model in its worker: the file it came from, its sessions, and the runs that are open on it.
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { invalid, ZerothError } from '../errors.ts';
import type { ModelGraph, Parameter } from '../model/graph.ts';
import { checkAgainst, type Probe, probe } from '../model/probe.ts';
import { initialValues, promote, withWeights } from '../model/promote.ts';
import type { BoundForward, DeviceName, Session } from '../runtime/runtime.ts';
import type { Weights } from '../weights/weights.ts';
import { CopyAccount, WeightsBudget } from './budget.ts';
import { Compute } from './compute.ts';
import { type Evaluator, evaluatorFor } from './evaluator.ts';
import { FileFacts } from './file-facts.ts';
import type { ExportFormat, ModelInfo, WorkerCalls, WorkerOptions } from './messages.ts';
import { ModelFile } from './model-file.ts';
import { OpenRun } from './open-run.ts';
import {
  type Additions,
  chooseTrainable,
  mergedFile,
  sessionKey,
  toRunGraph,
  weightsFile,
} from './run-graph.ts';
import { Seat } from './seat.ts';

/** What a run needs of the model's file, without holding the file. */
type Plan = {
  readonly trainable: readonly Parameter[];
  readonly evaluator: Evaluator;
  readonly promoted: Uint8Array;
  readonly sessionKey: string;
};

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
  #path = '';
  #sha256 = '';

  constructor(options: WorkerOptions) {
    this.#options = options;
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
    return { ...info, fallbacks: known };
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
    const { trainable, evaluator } = plan;
    const ofRun = { trainable, additions: additionsOf(request) };
    const baseValues = () => this.#baseValues(ofRun);
    const copies = new CopyAccount(budget, request.copies);
    const { snapshotWayMax } = this.#options;
    const seat = new Seat({ weights, baseValues, copies, snapshotWayMax });
    const baseSha256 = seat.digestAt(0);
    const forward = await this.#bind(plan, weights);
    this.#runs.set(
      request.run,
      new OpenRun({
        seat,
        prepare: (work) => evaluator.prepare(forward, work),
        write: (format, values) => this.#write(format, ofRun, values),
        release: () => {
          forward[Symbol.dispose]();
          weights.release();
          return this.#release(plan.sessionKey);
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
    try {
      for (const name of [...this.#runs.keys()]) await this.closeRun(name);
    } finally {
      await this.#opened?.close();
    }
    return null;
  }

  /** What a run needs of the file, without holding the file. */
  #plan(request: WorkerCalls['openRun']['in']): Plan {
    const { trainable: choice, objective } = request;
    const additions = additionsOf(request);
    using file = this.#open();
    const adapted = toRunGraph(file.graph, additions);
    const trainable = chooseTrainable(adapted, choice);
    const evaluator = evaluatorFor(adapted.graph, this.#options, this.#compute.lossPrograms);
    evaluator.checkObjective(objective);
    const names = trainable.map(({ name }) => name);
    const promoted = promote(adapted.graph, names);
    return { trainable, evaluator, promoted, sessionKey: sessionKey(names, adapted, additions) };
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

  /** A session on these weights, the base, that gives what the file's own graph gives. */
  async #bind(plan: Plan, weights: Weights): Promise<BoundForward> {
    const session = await this.#acquire(plan);
    let forward: BoundForward | undefined;
    try {
      forward = session.bind(bindings(weights));
      if (this.#probe !== undefined) await checkAgainst(this.#probe, forward);
      await plan.evaluator.tryPadding(forward);
      return forward;
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

function additionsOf({ lora, head }: WorkerCalls['openRun']['in']): Additions {
  return { lora, head };
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
