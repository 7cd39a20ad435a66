// Models and tokenizers by path or by their names on the Hub, which is asked with a bar for each file that comes.
import type { SingleBar } from 'cli-progress';
import { isHubName } from '../../hub/model-name.ts';
import { begin } from '../progress.ts';
import { type ModelPlace, placeOf, tokenizerNear } from './model-place.ts';

/** @returns no place of a model that a server has. */
export async function findSources({
  model,
  tokenizer,
  isRemote,
}: {
  readonly model: string | undefined;
  readonly tokenizer: string | undefined;
  readonly isRemote: boolean;
}): Promise<{ readonly place: ModelPlace | undefined; readonly tokenizer: string }> {
  const place = isRemote || model === undefined ? undefined : await findModel(model);
  return {
    place,
    tokenizer: tokenizer === undefined ? await tokenizerNear(place!) : await findTokenizer(tokenizer),
  };
}

async function findModel(model: string): Promise<ModelPlace> {
  if (!isHubName(model)) return placeOf(model);
  const { fetchModel } = await import('../../hub/hub.ts');
  return downloading((onBytes) => fetchModel(model, process.env, onBytes));
}

async function findTokenizer(tokenizer: string): Promise<string> {
  if (!isHubName(tokenizer)) return tokenizer;
  const { fetchTokenizer } = await import('../../hub/hub.ts');
  return downloading((onBytes) => fetchTokenizer(tokenizer, process.env, onBytes));
}

type OnBytes = (path: string, bytes: number, total: number) => void;

/** A line a file where there is no terminal. */
async function downloading<Result>(fetch: (onBytes: OnBytes) => Promise<Result>): Promise<Result> {
  let current: { readonly path: string; readonly bar: SingleBar | undefined } | undefined;
  const onBytes = (path: string, bytes: number, total: number) => {
    if (current?.path !== path) {
      current?.bar?.stop();
      current = { path, bar: start(path, total) };
    }
    current.bar?.update(bytes);
  };
  try {
    return await fetch(onBytes);
  } finally {
    current?.bar?.stop();
  }
}

function start(path: string, total: number): SingleBar | undefined {
  if (process.stderr.isTTY === true) return begin('download', total, ` | ${path}`);
  process.stderr.write(`download   ${path}, ${(total / 2 ** 20).toFixed(1)} MiB\n`);
  return undefined;
}
