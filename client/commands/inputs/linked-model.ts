// A model whose files are links, as Python's tools keep them in Hugging Face's cache. A server reads no model outside of its model
// directory and no values outside of the model's folder, links followed, so that a server of one's own is given a folder without them.
import { constants, copyFile, link, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { besideModel } from '../../hub/model-name.ts';
import type { ModelPlace } from './model-place.ts';

/** A file by the name that the model knows it by, and where it really is. */
type Linked = { readonly name: string; readonly path: string };

/** The same model where nothing is a link: where it really is, or in a folder that is removed with what is returned. */
export async function withoutLinks(place: ModelPlace): Promise<ModelPlace & AsyncDisposable> {
  const files = await filesOf(place);
  const [{ name, path }] = files;
  const home = dirname(path);
  // Alone it may have any name: in the cache that is a hash.
  if (files.length === 1 || files.every((each) => each.path === join(home, each.name)))
    return { folder: home, file: basename(path), [Symbol.asyncDispose]: async () => {} };
  const folder = await gather(files, home);
  const remove = () => rm(folder, { recursive: true, force: true });
  return { folder, file: name, [Symbol.asyncDispose]: remove };
}

/** The model first, and what has values of it by its name. A link to nothing is left to the server, which says whether it is needed. */
async function filesOf({ folder, file }: ModelPlace): Promise<Linked[]> {
  const model = join(folder, file);
  const names = [basename(model), ...besideModel(await readdir(dirname(model)), basename(model))];
  const paths = names.map((name) => realpath(join(dirname(model), name)).catch(() => undefined));
  const found = await Promise.all(paths);
  return names.flatMap((name, i) => (found[i] === undefined ? [] : [{ name, path: found[i] }]));
}

/** Hard links, which take no room. They do not lead to another disk, as the temporary folder often is; then they lie beside the file. */
async function gather(files: readonly Linked[], home: string): Promise<string> {
  for (const place of [tmpdir(), home]) {
    const folder = await fill(place, files, link).catch(() => undefined);
    if (folder !== undefined) return folder;
  }
  return fill(tmpdir(), files, (from, to) => copyFile(from, to, constants.COPYFILE_FICLONE));
}

type Put = (from: string, to: string) => Promise<void>;

async function fill(place: string, files: readonly Linked[], put: Put): Promise<string> {
  const folder = await mkdtemp(join(place, '.zeroth-model-'));
  try {
    for (const { name, path } of files) await put(path, join(folder, name));
    return folder;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
