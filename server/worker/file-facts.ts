// What was found out about large files, for as long as they are the same: to read 2 GiB once more takes seconds, and a model's file is opened
// again for every run, rebuild and export.
import { fstatSync } from 'node:fs';

/** A file may change twice within one tick of a file system's clock; what has been as it is for longer than that is known by its times. */
const SETTLED_MS = 2000;

type Known = { readonly identity: string; readonly answers: Map<string, unknown> };

/** Of the files of one model: an answer for each file, and one for each tensor in it. */
export class FileFacts {
  readonly #known = new Map<string, Known>();
  readonly #now: () => number;

  /** @param now Milliseconds as the file system counts them. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /**
   * What `find` says, now or when it was asked the same of the same file. Contents are not compared: the change time, which no program can set,
   * stands for them.
   * @param file Open.
   */
  about<T>(file: number, name: string, question: string, find: () => T): T {
    const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = fstatSync(file, { bigint: true });
    if (this.#now() - Number(ctimeMs) < SETTLED_MS) return find();
    const identity = [dev, ino, size, mtimeNs, ctimeNs].join();
    let known = this.#known.get(name);
    if (known?.identity !== identity) {
      known = { identity, answers: new Map() };
      this.#known.set(name, known);
    }
    if (!known.answers.has(question)) known.answers.set(question, find());
    return known.answers.get(question) as T;
  }
}
