// The operator's objectives in a model's worker: what the main thread has accepted, loaded.
import { ZerothError } from '../errors.ts';
import { unknownObjective } from '../model/objective/objectives.ts';
import type { ObjectiveFile, OperatorObjective } from '../model/objective/operator-objective.ts';
import { loadObjective } from './load-objective.ts';

/** An error is of a file that another thread could load: it is told to whoever asks for it. */
type Loaded = { readonly sha256: string; readonly objective: OperatorObjective | ZerothError };

export class ObjectiveShelf {
  readonly #msMax: number;
  #loaded: ReadonlyMap<string, Loaded> = new Map();

  /** @param msMax How long a call of a module may take. */
  constructor(msMax: number) {
    this.#msMax = msMax;
  }

  /** These and no others; those that are here already stay as they are. */
  async put(files: readonly ObjectiveFile[]): Promise<void> {
    const loaded = new Map<string, Loaded>();
    for (const file of files) {
      const { name, sha256 } = file;
      const known = this.#loaded.get(name);
      const objective = known?.sha256 === sha256 ? known.objective : await this.#load(file);
      loaded.set(name, { sha256, objective });
    }
    this.#loaded = loaded;
  }

  get digests(): ReadonlySet<string> {
    return new Set([...this.#loaded.values()].map(({ sha256 }) => sha256));
  }

  get names(): readonly string[] {
    return [...this.#loaded.keys()];
  }

  /** @throws ZerothError unimplemented, listing those there are; objective-failed where it could not be loaded here. */
  get(name: string): OperatorObjective {
    const loaded = this.#loaded.get(name);
    if (loaded === undefined) throw unknownObjective(name, this.names);
    if (loaded.objective instanceof ZerothError) throw loaded.objective;
    return loaded.objective;
  }

  async #load(file: ObjectiveFile): Promise<OperatorObjective | ZerothError> {
    try {
      return await loadObjective(file, this.#msMax);
    } catch (error) {
      if (error instanceof ZerothError) return error;
      throw error;
    }
  }
}
