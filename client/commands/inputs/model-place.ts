// Where a model lies on this machine, and what can be told of it.
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Model } from '../../../proto/gen/zeroth/v1/model_service.ts';
import type { Run } from '../../../proto/gen/zeroth/v1/run_service.ts';
import { invalid } from '../../../server/errors.ts';
import type { RowShape } from './training-data.ts';

/** A folder that a server may load models from, and a file within it. */
export type ModelPlace = { readonly folder: string; readonly file: string };

const ENDING = '.onnx';
const USUAL = 'model.onnx';

/** A file, or the one of a folder; model.onnx where there are several. @throws ZerothError */
export async function placeOf(path: string): Promise<ModelPlace> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined)
    throw invalid('--model', 'an ONNX file, or a folder with one', `${path}, which is not there`);
  if (!found.isDirectory()) return { folder: dirname(resolve(path)), file: basename(path) };
  const files = (await readdir(path)).filter((name) => name.endsWith(ENDING));
  const file = files.length === 1 ? files[0] : files.find((name) => name === USUAL);
  const got = files.length === 0 ? 'none' : `${files.join(', ')}: name one`;
  if (file === undefined) throw invalid('--model', `a folder with one ${ENDING} file, or a ${USUAL}`, got);
  return { folder: resolve(path), file };
}

/** Exporters write the tokenizer beside the model, or above its folder `onnx`. */
export async function tokenizerNear({ folder: home, file }: ModelPlace): Promise<string> {
  const folder = dirname(join(home, file));
  for (const place of [folder, dirname(folder)])
    if ((await stat(join(place, 'tokenizer.json')).catch(() => undefined)) !== undefined) return place;
  throw invalid(
    '--tokenizer',
    'a folder with tokenizer.json',
    `none, and there is none in ${folder} or above it`,
  );
}

export type ModelFacts = {
  readonly hasTypeIds: boolean;
  /** Of the embedding of tokens. */
  readonly vocabularySize: number | undefined;
  readonly positions: number | undefined;
  /** Scores a row. */
  readonly classes: number | undefined;
  /** What is scored, and its shape: [rows, classes] or [rows, sequence, vocabulary]. */
  readonly output: string;
  readonly scores: readonly number[];
};

const TOKENS = /(word_embeddings|embed_tokens|wte|embed_in|tok_embeddings|shared)\.weight/;
const POSITIONS = /(position_embeddings|wpe|embed_positions)\.weight/;
/** Their positions begin with 2: RoBERTa's after the padding token's, OPT's and BART's for reasons of history. */
const OFFSET = /roberta|embed_positions/;

/** By the names that Hugging Face's models have; undefined is what they do not tell. */
export function factsOf({ inputs, outputs, parameters }: Model): ModelFacts {
  const rowsOf = (name: RegExp) => parameters.find((each) => name.test(each.name) && each.shape.length === 2);
  const [tokens, places] = [rowsOf(TOKENS), rowsOf(POSITIONS)];
  const { name: output, shape: scores } = outputs.find(({ name }) => name === 'logits') ?? outputs[0];
  return {
    hasTypeIds: inputs.some(({ name }) => name === 'token_type_ids'),
    vocabularySize: tokens && Number(tokens.shape[0]),
    positions: places && Number(places.shape[0]) - (OFFSET.test(places.name) ? 2 : 0),
    classes: scores.length === 2 && scores[1] > 0n ? Number(scores[1]) : undefined,
    output,
    scores: scores.map(Number),
  };
}

/** What rows of a run have to fit: its additions are there already. */
export function shapeOfRun({ head, prompt, prefix }: Run, facts: ModelFacts): RowShape {
  const [promptTokens, prefixTokens] = [prompt?.tokens ?? 0, prefix?.tokens ?? 0];
  return { facts, classes: head?.classes ?? facts.classes, promptTokens, prefixTokens };
}

/** The output that is scored. */
export function outputOfRun({ head, objective }: Run, { output }: ModelFacts): string {
  if (head !== undefined) return 'logits';
  return objective?.output || output;
}
