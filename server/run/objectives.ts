// The objectives that the operator adds: files of one folder, read when the server starts and when it is asked to. Each is tried in a thread of its
// own first; one that is no objective leaves what it was before in place, and says why.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Config } from '../config.ts';
import { counted, ZerothError } from '../errors.ts';
import type { Log } from '../log.ts';
import { type ObjectiveFile, objectiveFailure, operatorName } from '../model/objective/operator-objective.ts';
import type { ObjectiveFacts } from '../worker/messages.ts';
import { resultOf } from '../worker/outcome.ts';
import { tryObjectives } from '../worker/try-objectives.ts';

/** A file that ends otherwise is none of ours: what modules import may lie beside them. */
const ENDINGS = ['.ts', '.js', '.mjs', '.onnx'];

const STEM = /^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$/i;

export type CustomObjectiveInfo = Partial<ObjectiveFacts> & {
  readonly name: string;
  /** The newest that there is, within the folder. */
  readonly file: string;
  /** Of the content that is in use; undefined where none is. */
  readonly sha256: string | undefined;
  /** Why the file is not what is in use. */
  readonly error: ZerothError | undefined;
};

type Accepted = { readonly file: ObjectiveFile; readonly facts: ObjectiveFacts };

/** A file of the folder, or why it cannot be one. */
type Found = { readonly name: string; readonly path: string; readonly content: ObjectiveFile | ZerothError };

type Options = {
  readonly config: Pick<Config, 'objectiveDir' | 'objectivesMax' | 'objectiveBytesMax' | 'objectiveMsMax'>;
  readonly log: Log;
};

export class Objectives {
  readonly #options: Options;
  #accepted: ReadonlyMap<string, Accepted> = new Map();
  #infos: readonly CustomObjectiveInfo[] = [];
  /** Another array whenever they are others. */
  #files: readonly ObjectiveFile[] = [];
  #reloading: Promise<unknown> = Promise.resolve();

  constructor(options: Options) {
    this.#options = options;
  }

  /** What every model's worker has to have. */
  get files(): readonly ObjectiveFile[] {
    return this.#files;
  }

  /** By name; those that failed too. */
  get infos(): readonly CustomObjectiveInfo[] {
    return this.#infos;
  }

  /** Of the content in use; undefined where there is no such objective. */
  digestOf(name: string): string | undefined {
    return this.#accepted.get(name)?.file.sha256;
  }

  /**
   * Reads the folder again, one reload after the other; nothing where there is no folder.
   * @throws ZerothError invalid-argument where the folder cannot be read, exhausted where it has too many files: all stays as it was.
   */
  reload(): Promise<readonly CustomObjectiveInfo[]> {
    const turn = this.#reloading.then(() => this.#reload());
    this.#reloading = turn.catch(() => undefined);
    return turn;
  }

  async #reload(): Promise<readonly CustomObjectiveInfo[]> {
    const { config, log } = this.#options;
    if (config.objectiveDir === '') return [];
    const found = await this.#read(await realpathOf(config.objectiveDir));
    const fresh = found.flatMap(({ content }) => (this.#isNew(content) ? [content] : []));
    const outcomes = await tryObjectives(fresh, config.objectiveMsMax);
    const tried = new Map(fresh.map((file, i) => [file, outcomes[i]]));
    const accepted = new Map<string, Accepted>();
    const infos: CustomObjectiveInfo[] = [];
    for (const { name, path, content } of found) {
      const before = this.#accepted.get(name);
      let [now, error] = [before, content instanceof ZerothError ? content : undefined];
      const outcome = content instanceof ZerothError ? undefined : tried.get(content);
      try {
        if (outcome !== undefined) now = { file: content as ObjectiveFile, facts: resultOf(outcome) };
      } catch (caught) {
        if (!(caught instanceof ZerothError)) throw caught;
        error = caught;
      }
      if (now !== undefined) accepted.set(name, now);
      infos.push({ name, file: path, sha256: now?.file.sha256, error, ...now?.facts });
      const facts = { objective: name, file: path, sha256: now?.file.sha256 };
      if (error !== undefined) log.error({ ...facts, err: error }, 'objective not loaded');
      else if (now !== before) log.info({ ...facts, before: before?.file.sha256 }, 'objective loaded');
    }
    for (const name of this.#accepted.keys())
      if (!accepted.has(name)) log.info({ objective: name }, 'objective removed');
    this.#accepted = accepted;
    this.#infos = infos;
    this.#files = [...accepted.values()].map(({ file }) => file);
    return infos;
  }

  #isNew(content: Found['content']): content is ObjectiveFile {
    return !(content instanceof ZerothError) && content.sha256 !== this.digestOf(content.name);
  }

  async #read(folder: string): Promise<Found[]> {
    const { objectivesMax } = this.#options.config;
    const files = (await readdir(folder)).filter(isObjectiveFile).sort();
    if (files.length > objectivesMax)
      throw new ZerothError(
        'exhausted',
        `objectiveDir: expected at most ${counted(objectivesMax, 'file')} (objectivesMax), got ${files.length}`,
      );
    const byName = Map.groupBy(files, (file) => operatorName(file.slice(0, -extname(file).length)));
    const found: Found[] = [];
    for (const [name, [path, ...others]] of byName)
      found.push({ name, path, content: await this.#contentOf(folder, { name, path, others }) });
    return found;
  }

  async #contentOf(
    folder: string,
    {
      name,
      path,
      others,
    }: { readonly name: string; readonly path: string; readonly others: readonly string[] },
  ): Promise<Found['content']> {
    const fail = objectiveFailure({ name, path, sha256: '' });
    const stem = path.slice(0, -extname(path).length);
    if (!STEM.test(stem))
      return fail('expected a file name of letters, digits, "-" and "_" before its ending');
    if (others.length > 0) return fail(`expected one file of this name, got ${[path, ...others].join(', ')}`);
    const { objectiveBytesMax } = this.#options.config;
    const whole = join(folder, path);
    try {
      const entry = await stat(whole);
      // A pipe would be waited for, and a device has no end.
      if (!entry.isFile()) return fail('expected a file, got something else');
      const { size } = entry;
      if (size > objectiveBytesMax)
        return fail(`expected at most ${objectiveBytesMax} bytes (objectiveBytesMax), got ${size}`);
      return { name, path: whole, ...(await readHashed(whole)) };
    } catch (error) {
      return fail(`it cannot be read: ${(error as NodeJS.ErrnoException).code}`, error);
    }
  }
}

/** In pieces: neither the hash nor the copy of a large file keeps the thread. */
async function readHashed(path: string): Promise<{ readonly sha256: string; readonly bytes: Uint8Array }> {
  const hash = createHash('sha256');
  const pieces: Buffer[] = [];
  for await (const piece of createReadStream(path)) {
    hash.update(piece as Buffer);
    pieces.push(piece as Buffer);
  }
  return { sha256: hash.digest('hex'), bytes: new Uint8Array(Buffer.concat(pieces)) };
}

function isObjectiveFile(file: string): boolean {
  return ENDINGS.includes(extname(file)) && !file.startsWith('.') && !file.endsWith('.d.ts');
}

async function realpathOf(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    const message = `objectiveDir: expected a folder that can be read, got ${JSON.stringify(folder)}`;
    throw new ZerothError('invalid-argument', message, { field: 'objectiveDir' }, error);
  }
}
