// A tokenizer as Hugging Face saves it: a folder with tokenizer.json and, where there is one, tokenizer_config.json.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { invalid } from '../../server/errors.ts';
import { truncatedLengths } from './truncate.ts';

export type Encoded = {
  readonly ids: readonly number[];
  /** 0 for the first text and 1 for the second, where the tokenizer tells them apart. */
  readonly typeIds: readonly number[];
  readonly isTruncated: boolean;
};

type EncodeOptions = { readonly pair?: string | undefined; readonly maxLength?: number | undefined };

export type TextTokenizer = {
  /** Ids are below this. */
  readonly vocabularySize: number;
  /** What fills rows up. It is masked, so where a tokenizer has none, any will do: 0. */
  readonly padId: number;
  readonly maskId: number | undefined;
  readonly specialIds: ReadonlySet<number>;
  /** What tokenizer_config.json says of the model's positions; undefined where it says nothing. */
  readonly lengthMax: number | undefined;
  /**
   * With special tokens around the text. Of a pair the longer text loses tokens first, as with Hugging Face.
   * @throws ZerothError invalid-argument where a token has no id, or no token but special ones has room.
   */
  encode(text: string, options?: EncodeOptions): Encoded;
  /** For messages. */
  tokenOf(id: number): string;
};

type Json = Readonly<Record<string, unknown>>;

/** Hugging Face writes 1e30 where it does not know. */
const LENGTH_KNOWN_MAX = 1e6;

/** What they are called where no configuration says so. */
const PAD_NAMES = ['[PAD]', '<pad>', '<|pad|>', '<|endoftext|>', '</s>'];
const MASK_NAMES = ['[MASK]', '<mask>'];

/** @throws ZerothError invalid-argument naming the file. */
export async function openTokenizer(folder: string): Promise<TextTokenizer> {
  const file = join(folder, 'tokenizer.json');
  const description = await readJson(file);
  const config = await readJson(join(folder, 'tokenizer_config.json'), {});
  const tokenizer = construct(file, description, config);
  const idOf = (...names: readonly (string | undefined)[]) =>
    names
      .map((name) => (name === undefined ? undefined : tokenizer.token_to_id(name)))
      .find((id) => id !== undefined);
  const added = [...tokenizer.get_added_tokens_decoder().values()];
  const lengthMax = Number(config.model_max_length);
  return {
    vocabularySize: [...tokenizer.get_vocab().values()].reduce((a, b) => Math.max(a, b), -1) + 1,
    padId: idOf(nameOf(config.pad_token), nameOf(config.eos_token), ...PAD_NAMES) ?? 0,
    maskId: idOf(nameOf(config.mask_token), ...MASK_NAMES),
    specialIds: new Set(added.filter(({ special }) => special).map(({ id }) => id)),
    lengthMax: lengthMax <= LENGTH_KNOWN_MAX ? lengthMax : undefined,
    encode: (text, options) => encode(tokenizer, text, options),
    tokenOf: (id) => tokenizer.id_to_token(id) ?? `${id}`,
  };
}

async function readJson(file: string, otherwise?: Json): Promise<Json> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Json;
  } catch (error) {
    if (otherwise !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return otherwise;
    throw invalid('tokenizer', `a folder with a readable ${file}`, messageOf(error));
  }
}

function construct(file: string, description: Json, config: Json): Tokenizer {
  try {
    return new Tokenizer(description, config);
  } catch (error) {
    throw invalid('tokenizer', `${file} as the library tokenizers writes it`, messageOf(error));
  }
}

/** A token is named by a text, or by an object with its content. */
function nameOf(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  return (token as { content?: string } | undefined | null)?.content;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function encode(tokenizer: Tokenizer, text: string, { pair, maxLength }: EncodeOptions = {}): Encoded {
  const bare = { add_special_tokens: false };
  const first = tokenizer.tokenize(text, bare);
  const second = pair === undefined ? undefined : tokenizer.tokenize(pair, bare);
  const whole = surround(tokenizer, first, second);
  if (maxLength === undefined || whole.tokens.length <= maxLength)
    return { ...toIds(tokenizer, whole), isTruncated: false };
  const room = maxLength - (whole.tokens.length - first.length - (second?.length ?? 0));
  if (room < 1)
    throw invalid('maxLength', `at least ${maxLength - room + 1}, with special tokens`, `${maxLength}`);
  const [keptFirst, keptSecond] = truncatedLengths(first.length, second?.length ?? 0, room);
  const kept = surround(tokenizer, first.slice(0, keptFirst), second?.slice(0, keptSecond));
  return { ...toIds(tokenizer, kept), isTruncated: true };
}

type Tokens = { readonly tokens: readonly string[]; readonly token_type_ids?: readonly number[] };

/**
 * Special tokens and types, where two things are as Hugging Face has them and the library does not: a byte-level
 * post-processor keeps the second text, and RoBERTa's gives both texts type 0 (its models know no other).
 */
function surround({ post_processor }: Tokenizer, first: string[], second: string[] | undefined): Tokens {
  const processed = post_processor?.post_process(first, second ?? null, true);
  const count = first.length + (second?.length ?? 0);
  if (processed !== undefined && processed.tokens.length >= count)
    return post_processor?.config.type === 'RobertaProcessing' ? { tokens: processed.tokens } : processed;
  return {
    tokens: [...first, ...(second ?? [])],
    token_type_ids: [...first.map(() => 0), ...(second ?? []).map(() => 1)],
  };
}

function toIds(tokenizer: Tokenizer, { tokens, token_type_ids }: Tokens): Omit<Encoded, 'isTruncated'> {
  const unknown = (tokenizer.model as { unk_token_id?: number } | null)?.unk_token_id;
  const ids = tokens.map((token) => {
    const id = tokenizer.token_to_id(token) ?? unknown;
    if (id === undefined)
      throw invalid('tokenizer', 'an id for every token', `none for ${JSON.stringify(token)}`);
    return id;
  });
  return { ids, typeIds: token_type_ids ?? ids.map(() => 0) };
}
