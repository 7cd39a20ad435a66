// Names of models on the Hub, and which of a repository's files they mean.
import { posix } from 'node:path';
import { invalid } from '../../server/errors.ts';

export type HubName = {
  /** "owner/name" */
  readonly repository: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** A file or folder; empty where the name has none. */
  readonly path: string;
};

const PREFIX = 'hf:';
const PATTERN = /^hf:([\w.-]+\/[\w.-]+)(?:@([\w./-]+?))?(?:\/([^@]+))?$/;

export function isHubName(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** `hf:owner/name`, `hf:owner/name/onnx/model.onnx`, `hf:owner/name@revision/...`. @throws ZerothError */
export function parseHubName(name: string): HubName {
  const [, repository, revision = 'main', path = ''] = PATTERN.exec(name) ?? [];
  if (repository === undefined) throw invalid('hf', 'hf:owner/name[@revision][/file]', name);
  return { repository, revision, path };
}

/** The one that is named, or model.onnx, or the only one. @throws ZerothError */
export function modelFileOf(paths: readonly string[], { repository, path }: HubName): string {
  if (paths.includes(path) && path.endsWith('.onnx')) return path;
  const all = paths.filter((each) => each.endsWith('.onnx') && (path === '' || each.startsWith(`${path}/`)));
  const usual = [path, 'onnx', ''].map((folder) => posix.join(folder, 'model.onnx'));
  const found = all.length === 1 ? all[0] : usual.find((each) => all.includes(each));
  const shown = all.slice(0, 10).join(', ');
  const got = all.length === 0 ? `none in ${posix.join(repository, path)}` : `${shown}: name one`;
  if (found === undefined) throw invalid('hf', 'an ONNX file', got);
  return found;
}

/** model.onnx_data, model.onnx.data, model.onnx_data_1: values that a model keeps beside itself. */
export function besideModel(paths: readonly string[], model: string): string[] {
  return paths.filter(
    (path) => path.startsWith(model) && path !== model && /^[._]data(_\d+)?$/.test(path.slice(model.length)),
  );
}

const COMPANIONS = ['tokenizer.json', 'tokenizer_config.json', 'config.json'];

/** Of the tokenizer and the names of classes: beside the model, or in the folder above. */
export function companionsOf(paths: readonly string[], folder: string): string[] {
  const folders = [folder, posix.dirname(folder)].map((each) => (each === '.' ? '' : each));
  const wanted = folders.flatMap((each) => COMPANIONS.map((name) => posix.join(each, name)));
  return paths.filter((path) => wanted.includes(path));
}
