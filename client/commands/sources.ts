// Models and tokenizers by path or by their names on the Hub, which is asked with a bar for each file that comes.
import { Presets, SingleBar } from 'cli-progress';
import { isHubName } from '../hub/model-name.ts';
import { type ModelPlace, placeOf, tokenizerNear } from './model-place.ts';
import type { TrainSettings } from './train-flags.ts';

/** @returns no model where a server has it. */
export async function findSources({
  model,
  tokenizer,
  server,
}: TrainSettings): Promise<{ readonly model: ModelPlace | undefined; readonly tokenizer: string }> {
  const place = server === undefined ? await findModel(model) : undefined;
  return {
    model: place,
    tokenizer: tokenizer === undefined ? await tokenizerNear(place!) : await findTokenizer(tokenizer),
  };
}

async function findModel(model: string): Promise<ModelPlace> {
  if (!isHubName(model)) return placeOf(model);
  const { fetchModel } = await import('../hub/hub.ts');
  return downloading((onBytes) => fetchModel(model, process.env, onBytes));
}

async function findTokenizer(tokenizer: string): Promise<string> {
  if (!isHubName(tokenizer)) return tokenizer;
  const { fetchTokenizer } = await import('../hub/hub.ts');
  return downloading((onBytes) => fetchTokenizer(tokenizer, process.env, onBytes));
}

type OnBytes = (path: string, bytes: number, total: number) => void;

/** A line a file where there is no terminal. */
async function downloading<Result>(fetch: (onBytes: OnBytes) => Promise<Result>): Promise<Result> {
  let current: { readonly path: string; readonly bar: SingleBar | undefined } | undefined;
  const onBytes = (path: string, bytes: number, total: number) => {
    if (current?.path !== path) {
      current?.bar?.stop();
      current = { path, bar: begin(path, total) };
    }
    current.bar?.update(bytes);
  };
  try {
    return await fetch(onBytes);
  } finally {
    current?.bar?.stop();
  }
}

function begin(path: string, total: number): SingleBar | undefined {
  const size = `${(total / 2 ** 20).toFixed(1)} MiB`;
  if (process.stderr.isTTY !== true) {
    process.stderr.write(`download   ${path}, ${size}\n`);
    return undefined;
  }
  const format = `download   {bar} {percentage} % of ${size} | {eta_formatted} left | ${path}`;
  const options = { format, barsize: 20, gracefulExit: false, stream: process.stderr };
  const bar = new SingleBar(options, Presets.shades_classic);
  bar.start(total, 0);
  return bar;
}
