// Which model is trained in which way: one of each kind that exporters write, and every kind of trainable set.
import type { Zeroth } from '../../client/client.ts';

type Choice = Pick<Parameters<Zeroth['runs']['create']>[0], 'trainable' | 'lora' | 'head'>;

/** Patterns that mean a set in the words of one model. */
type Names = {
  /** The projections of attention, or what is left of them to train. */
  readonly attention: readonly string[];
  readonly lastLayer: readonly string[];
  /** Biases, where there are any, and what normalizes. */
  readonly small: readonly string[];
};

export type SetName = keyof typeof sets;

const LORA = { rank: 2, alpha: 8, seed: 5n };
const HEAD = { classes: 2, seed: 5n };

/** What a run is asked to train, and at which rate its loss falls. */
export const sets = {
  everything: { rate: 1e-3, choose: () => ({}) },
  'name patterns': { rate: 3e-3, choose: ({ attention }) => only(attention) },
  'the last layer': { rate: 3e-3, choose: ({ lastLayer }) => only(lastLayer) },
  'biases and norms': { rate: 1e-2, choose: ({ small }) => only(small) },
  adapters: { rate: 1e-2, choose: () => ({ lora: LORA }) },
  'a new head': { rate: 3e-2, choose: () => ({ head: HEAD, ...only(['classifier.*']) }) },
  'a new head and adapters': { rate: 1e-2, choose: () => ({ head: HEAD, lora: LORA }) },
  'a new head and everything': { rate: 1e-3, choose: () => ({ head: HEAD }) },
} as const satisfies Record<string, { readonly rate: number; choose(names: Names): Choice }>;

function only(include: readonly string[]): Choice {
  return { trainable: { include: [...include] } };
}

export type Case = {
  /** Of the model's file. */
  readonly name: string;
  /** The fixture that it is or, where a head has been cut off, was; its batch is what is trained on. */
  readonly fixture: string;
  readonly objective: string;
  readonly names: Names;
  /** Where a set's own is too fast: scales of blocks of 4 bits move eight weights' worth at once. */
  readonly rates?: Partial<Record<SetName, number>>;
  /** What the server says to sets that the model cannot have. It has all others. */
  readonly refused: Partial<Record<SetName, RegExp>>;
  /** What it says where adapters cannot be merged into the weights. */
  readonly unmerged?: RegExp;
};

const bert: Names = {
  attention: ['*attention*'],
  lastLayer: ['*layer.1.*'],
  small: ['*bias', '*orm.weight'],
};
const gpt2: Names = { attention: ['*attn*'], lastLayer: ['*h.1.*'], small: ['*bias', '*ln_*'] };
const opt: Names = {
  attention: ['*self_attn.*'],
  lastLayer: ['*layers.1.*'],
  small: ['*bias', '*layer_norm.weight'],
};
/** Without biases. */
const llama = (last: number): Names => ({
  attention: ['*self_attn*'],
  lastLayer: [`*layers.${last}.*`],
  small: ['*norm.weight*'],
});
/** Weights without a bias are anonymous, and nothing in the file tells what they are. */
const qwen2: Names = {
  attention: ['*self_attn*'],
  lastLayer: ['*layers.0.*'],
  small: ['*bias', '*norm.weight'],
};

const own = ['everything', 'name patterns', 'the last layer', 'biases and norms'] as const;
const heads = ['a new head', 'a new head and adapters', 'a new head and everything'] as const;

function all(names: readonly SetName[], text: RegExp): Case['refused'] {
  return Object.fromEntries(names.map((name) => [name, text]));
}

/** Its own scores have the name that a new head's would have. */
const hasHead = all(
  heads,
  /^head: expected a model in which nothing is called "logits" yet, got one with an output/,
);
/** Nothing is scored without a new head. */
const isEncoder = all(
  [...own, 'adapters'],
  /^objective.output: expected .*last_hidden_state.*, got "logits"/,
);
const isHalf = all(
  own,
  /^model: expected float32 initializers .*, got none; lora trains adapters beside weights of any type$/,
);
const isInteger =
  /^format: expected weights of float32 or float16 to merge adapters into, got .* which is u?int8/;

export const cases: readonly Case[] = [
  ...[
    { name: 'distilbert-classification', objective: 'cross_entropy', names: bert },
    {
      name: 'distilbert-classification-int8',
      objective: 'cross_entropy',
      names: bert,
      unmerged: isInteger,
    },
    { name: 'roberta-classification', objective: 'cross_entropy', names: bert },
    { name: 'roberta-classification-fp16', objective: 'cross_entropy', names: bert, refused: isHalf },
    { name: 'roberta-mlm', objective: 'masked_lm', names: bert },
    { name: 'gpt2', objective: 'causal_lm', names: gpt2 },
    { name: 'gpt2-past', objective: 'causal_lm', names: gpt2 },
    { name: 'opt', objective: 'causal_lm', names: opt },
    { name: 'llama-past', objective: 'causal_lm', names: llama(0) },
    { name: 'llama-merged', objective: 'causal_lm', names: llama(0) },
    { name: 'llama-external', objective: 'causal_lm', names: llama(1) },
    {
      name: 'llama-int4',
      objective: 'causal_lm',
      names: llama(0),
      unmerged: isInteger,
      rates: { everything: 1e-4 },
    },
    { name: 'qwen2-dynamo', objective: 'causal_lm', names: qwen2 },
  ].map((each) => ({ ...each, fixture: each.name, refused: { ...hasHead, ...each.refused } })),
  ...[
    { name: 'distilbert-encoder', fixture: 'distilbert-classification', names: bert },
    {
      name: 'distilbert-encoder-int8',
      fixture: 'distilbert-classification-int8',
      names: bert,
      unmerged: isInteger,
    },
    { name: 'roberta-encoder', fixture: 'roberta-mlm', names: bert },
    { name: 'roberta-encoder-fp16', fixture: 'roberta-classification-fp16', names: bert, refused: isHalf },
  ].map((each) => ({ ...each, objective: 'cross_entropy', refused: { ...isEncoder, ...each.refused } })),
];
