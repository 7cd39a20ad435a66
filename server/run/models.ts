// The loaded models: each has a worker thread of its own and a queue in front of it.
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { Config } from '../config.ts';
import { invalid, notFound, ZerothError } from '../errors.ts';
import type { Journal, ModelRecord } from '../journal/journal.ts';
import type { Log } from '../log.ts';
import type { ObjectiveFile } from '../model/objective/operator-objective.ts';
import { toId } from '../names.ts';
import type { DeviceName } from '../runtime/runtime.ts';
import { WeightsBudget } from '../worker/budget.ts';
import { chooseDevice } from '../worker/choose-device.ts';
import { importMsMax } from '../worker/import-deadline.ts';
import type { ModelInfo, WorkerOptions } from '../worker/messages.ts';
import { ModelWorker } from '../worker/worker.ts';
import type { Objectives } from './objectives.ts';
import { Scheduler } from './scheduler.ts';

export type LoadedModel = {
  /** "models/*" */
  readonly name: string;
  /** Relative to the model directory. */
  readonly path: string;
  readonly info: ModelInfo;
  readonly worker: ModelWorker;
  readonly scheduler: Scheduler;
};

export type ModelsOptions = {
  readonly config: Config;
  readonly journal: Journal;
  readonly objectives: Objectives;
  readonly log: Log;
  /** The worker of a model ended by itself; its runs have nothing to stand on. */
  readonly onLost: (name: string) => void;
};

/** Whose turn it is in a scheduler where no run has one. */
const HOUSEKEEPING = '';

export class Models {
  /** What weights take, in all workers. */
  readonly budget: WeightsBudget;
  readonly #options: ModelsOptions;
  readonly #loaded = new Map<string, LoadedModel>();
  /** Names that a load in progress has taken. */
  readonly #loading = new Set<string>();
  /** Loads and stops in progress: a worker that nobody waits for keeps the process alive. */
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #workerOptions: Omit<WorkerOptions, 'caller' | 'device'>;
  #device: DeviceName = 'cpu';
  #isClosing = false;

  constructor(options: ModelsOptions) {
    this.#options = options;
    this.budget = WeightsBudget.of(options.config.weightsBytesMax);
    const { config } = options;
    this.#workerOptions = {
      runtime: config.runtime,
      strictDevice: config.strictDevice === 'on',
      queue: new SharedArrayBuffer(4),
      threads: config.threads,
      spinning: config.spinning === 'on',
      rowsPerMicroBatchMax: config.rowsPerMicroBatchMax,
      tokensPerMicroBatchMax: config.tokensPerMicroBatchMax,
      replyBytesMax: config.replyBytesMax,
      snapshotWayMax: config.snapshotWayMax,
      objectiveMsMax: config.objectiveMsMax,
      budget: this.budget.shared,
    };
  }

  /** @throws ZerothError where the device that the configuration names cannot be had. */
  async chooseDevice(): Promise<void> {
    const { config, log } = this.#options;
    const { device, passedOver } = await chooseDevice(config.device, this.#workerOptions);
    for (const each of passedOver)
      log.info({ device: each.device, reason: each.error.message, err: each.error }, 'passed over');
    this.#device = device;
  }

  /** Files may come later; a slip in the setting is seen at once. */
  async lookAtFolder(): Promise<void> {
    const { config, log } = this.#options;
    const { modelDir } = config;
    await readdir(modelDir).catch((error: Error) =>
      log.warn({ modelDir, reason: error.message }, 'no model can be loaded: modelDir cannot be read'),
    );
  }

  /** Where models compute. */
  get device(): DeviceName {
    return this.#device;
  }

  find(name: string): LoadedModel | undefined {
    return this.#loaded.get(name);
  }

  get(name: string): LoadedModel {
    const model = this.#loaded.get(name);
    if (model === undefined) throw notFound(name, '; LoadModel brings it');
    return model;
  }

  list(): LoadedModel[] {
    return [...this.#loaded.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Loads a file of the model directory and remembers it over restarts. */
  async load(path: string, id: string): Promise<LoadedModel> {
    const file = await this.#fileWithin(path);
    const name = `models/${id === '' ? toId(basename(path)) : id}`;
    const model = await this.#start(name, path, file);
    const { sha256 } = model.info;
    this.#options.journal.putModel({ name, path, sha256 });
    return model;
  }

  /** Loads again what an earlier process had loaded. @throws ZerothError where the file is gone or changed. */
  async reload(record: ModelRecord): Promise<LoadedModel> {
    const file = await this.#fileWithin(record.path);
    const model = await this.#start(record.name, record.path, file).catch((error: unknown) => {
      if (!(error instanceof ZerothError) || error.kind !== 'invalid-argument') throw error;
      throw isAnother(record, `it cannot be loaded any more: ${error.message}`, error);
    });
    if (model.info.sha256 === record.sha256) return model;
    await this.#stop(model);
    throw isAnother(record, `expected SHA-256 ${record.sha256}, got ${model.info.sha256}`);
  }

  /** @throws ZerothError not-found where it is not loaded, and a restart would not load it either. */
  checkKnown(name: string): void {
    const { journal } = this.#options;
    if (this.#loaded.has(name) || journal.models().some((record) => record.name === name)) return;
    throw notFound(name, '; LoadModel brings it');
  }

  /** Forgets it over restarts too, also where it could not be restored and is known by its name alone. */
  async unload(name: string): Promise<void> {
    this.checkKnown(name);
    const model = this.#loaded.get(name);
    this.#options.journal.deleteModel(name);
    if (model !== undefined) await this.#stop(model);
  }

  /** Refuses loads, and waits for the workers of those that have begun. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const stops = this.list().map((model) => this.#stop(model));
    await Promise.all([...this.#underWay, ...stops]);
  }

  #start(name: string, path: string, file: string): Promise<LoadedModel> {
    return this.#waitedFor(this.#startWorker(name, path, file));
  }

  #waitedFor<T>(work: Promise<T>): Promise<T> {
    const settled: Promise<unknown> = work
      .catch(() => undefined)
      .finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
    return work;
  }

  async #startWorker(name: string, path: string, file: string): Promise<LoadedModel> {
    const { config, log } = this.#options;
    this.#reserve(name);
    const worker = new ModelWorker(
      { ...this.#workerOptions, device: this.device },
      (error) => this.#lost(name, error),
      (stray) => log.error({ model: name, ...stray }, 'an objective left something behind, which failed'),
    );
    try {
      let files = await this.#handObjectives(worker);
      const info = await worker.call('loadModel', { path: file, bytesMax: config.modelBytesMax });
      // They may have been reloaded meanwhile, which this worker did not hear of.
      while (files !== this.#options.objectives.files) files = await this.#handObjectives(worker);
      this.#refuseIfClosing();
      const model = { name, path, info, worker, scheduler: new Scheduler(config) };
      this.#loaded.set(name, model);
      this.#logLoaded(model);
      return model;
    } catch (error) {
      await worker.close();
      throw error;
    } finally {
      this.#loading.delete(name);
    }
  }

  /** The operator's objectives have changed: every worker has them when it resolves, each between two pieces of its work. */
  async handObjectives(): Promise<void> {
    const hand = ({ scheduler, worker }: LoadedModel) =>
      scheduler.insist(HOUSEKEEPING, () => this.#handObjectives(worker));
    // One that goes meanwhile needs none.
    await Promise.allSettled(this.list().map(hand));
  }

  async #handObjectives(worker: ModelWorker): Promise<readonly ObjectiveFile[]> {
    const { files } = this.#options.objectives;
    const msMax = importMsMax(files.length, this.#options.config.objectiveMsMax);
    const giveUp = () => worker.giveUp(keptBy(files, msMax));
    const timer = msMax === 0 ? undefined : setTimeout(giveUp, msMax);
    try {
      await worker.call('setObjectives', { files });
    } finally {
      clearTimeout(timer);
    }
    return files;
  }

  #logLoaded({ name, path, info }: LoadedModel): void {
    const { parameters, isProbed, device, fallbacks, slowness } = info;
    const { log } = this.#options;
    log.info({ model: name, path, parameters: parameters.length, isProbed, device }, 'model loaded');
    if (fallbacks === undefined && device !== 'cpu')
      log.warn({ model: name, device }, 'where its nodes are computed is not known: it was not probed');
    else if (fallbacks !== undefined && fallbacks.length > 0)
      log.warn({ model: name, device, fallbacks }, 'nodes that the host computes');
    if (slowness !== undefined) log.warn({ model: name, device, reason: slowness }, 'weights move slowly');
  }

  #refuseIfClosing(): void {
    if (!this.#isClosing) return;
    const details = { reason: 'DRAINING', retryAfterMs: 200 } as const;
    throw new ZerothError('unavailable', 'the server is going down', details);
  }

  #reserve(name: string): void {
    this.#refuseIfClosing();
    if (this.#loaded.has(name) || this.#loading.has(name))
      throw new ZerothError('already-exists', `${name} is loaded already`, { resource: name });
    const { modelsMax } = this.#options.config;
    if (this.#loaded.size + this.#loading.size >= modelsMax)
      throw new ZerothError(
        'exhausted',
        `there is no room for another model (modelsMax is ${modelsMax}); unload one first`,
      );
    this.#loading.add(name);
  }

  #stop(model: LoadedModel): Promise<void> {
    return this.#waitedFor(this.#stopWorker(model));
  }

  async #stopWorker(model: LoadedModel): Promise<void> {
    this.#loaded.delete(model.name);
    const reason = new ZerothError('model-not-loaded', `${model.name} is unloading`, {
      resource: model.name,
    });
    await model.scheduler.close(reason);
    await model.worker.close();
  }

  #lost(name: string, error: Error): void {
    this.#options.log.error({ model: name, err: error }, 'the worker of a model ended');
    if (this.#loaded.delete(name)) this.#options.onLost(name);
  }

  /** The real path of a file, which must lie within the model directory, links followed. */
  async #fileWithin(path: string): Promise<string> {
    const { modelDir } = this.#options.config;
    if (path === '' || isAbsolute(path) || path.split(/[\\/]/).includes('..'))
      throw invalid('path', 'a path relative to the model directory, without ".."', JSON.stringify(path));
    const file = await realpath(join(modelDir, path)).catch(() => undefined);
    if (file === undefined || !(await stat(file)).isFile())
      throw notFound(`the file ${JSON.stringify(path)}`, ` in the model directory${await this.#hint()}`);
    const home = await realpath(resolve(modelDir));
    if (relative(home, file).split(sep)[0] === '..' || isAbsolute(relative(home, file)))
      throw invalid('path', 'a file within the model directory', 'a link that leads out of it');
    return file;
  }

  async #hint(): Promise<string> {
    const all = await readdir(this.#options.config.modelDir).catch(() => undefined);
    if (all === undefined) return ', which cannot be read';
    const files = all.filter((file) => file.endsWith('.onnx')).sort();
    if (files.length === 0) return ', which holds no .onnx file';
    const more = files.length > 5 ? ` and ${files.length - 5} more` : '';
    return `, which has ${files.slice(0, 5).join(', ')}${more}`;
  }
}

function keptBy(files: readonly ObjectiveFile[], msMax: number): ZerothError {
  const names = files.map(({ name }) => name).join(', ');
  const message = `${names}: expected to be imported by a model's thread within ${msMax} ms (objectiveMsMax for each), got none or some: one keeps it`;
  return new ZerothError('objective-failed', message);
}

function isAnother({ name, path }: ModelRecord, facts: string, cause?: unknown): ZerothError {
  const message = `${name}: the file ${path} has changed: ${facts}`;
  return new ZerothError('data-loss', message, { resource: name }, cause);
}
