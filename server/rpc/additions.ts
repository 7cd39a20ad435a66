// What is put into a model for a run, between the wire and the domain: adapters, a head, a prompt, a prefix.
import {
  Pooling,
  type Head as WireHead,
  type Lora as WireLora,
  type Prefix as WirePrefix,
  type Prompt as WirePrompt,
} from '../../proto/gen/zeroth/v1/run_service.ts';
import { invalid } from '../errors.ts';
import type { Additions, HeadRecord, LoraRecord, PrefixRecord, PromptRecord } from '../journal/journal.ts';
import { checkSeed, toNumber } from './convert.ts';

/** In a request that makes a run, and in the run. */
type WireAdditions = {
  readonly lora?: WireLora | undefined;
  readonly head?: WireHead | undefined;
  readonly prompt?: WirePrompt | undefined;
  readonly prefix?: WirePrefix | undefined;
};

export function toAdditions({ lora, head, prompt, prefix }: WireAdditions): Additions {
  return {
    ...(lora && { lora: toLora(lora) }),
    ...(head && { head: toHead(head) }),
    ...(prompt && { prompt: toPrompt(prompt) }),
    ...(prefix && { prefix: toPrefix(prefix) }),
  };
}

export function fromAdditions({ lora, head, prompt, prefix }: Additions) {
  return {
    lora: lora && fromLora(lora),
    head: head && fromHead(head),
    prompt: prompt && fromPrompt(prompt),
    prefix: prefix && fromPrefix(prefix),
  };
}

/** MeZO's (arXiv 2305.17333). */
const LORA_DEFAULTS = { rank: 8, alpha: 16 };

function toLora(lora: WireLora): LoraRecord {
  const { rank, alpha, targets, seed } = lora;
  return {
    rank: rank === 0 ? LORA_DEFAULTS.rank : rank,
    alpha: alpha === 0 ? LORA_DEFAULTS.alpha : alpha,
    targets,
    seed: toSeed(seed, 'lora.seed'),
  };
}

function fromLora({ rank, alpha, targets, seed }: LoraRecord): WireLora {
  return { rank, alpha, targets: [...targets], seed: BigInt(seed) };
}

function toHead(head: WireHead): HeadRecord {
  const { output, classes, pooling, seed } = head;
  return { output, classes, pooling: toPooling(pooling), seed: toSeed(seed, 'head.seed') };
}

function fromHead({ output, classes, pooling, seed }: HeadRecord): WireHead {
  return { output, classes, pooling: poolings[pooling], seed: BigInt(seed) };
}

const poolings: Record<HeadRecord['pooling'], Pooling> = {
  mean: Pooling.POOLING_MEAN,
  first: Pooling.POOLING_FIRST_TOKEN,
};

function toPooling(pooling: Pooling): HeadRecord['pooling'] {
  switch (pooling) {
    case Pooling.POOLING_UNSPECIFIED:
    case Pooling.POOLING_MEAN:
      return 'mean';
    case Pooling.POOLING_FIRST_TOKEN:
      return 'first';
    default:
      throw invalid('head.pooling', 'mean (1) or first token (2)', String(pooling));
  }
}

/** Beyond so many a prompt gains little (Lester et al., section 3.2). */
const PROMPT_TOKENS = 20;

function toPrompt({ tokens, initTokens, seed }: WirePrompt): PromptRecord {
  const init = initTokens.map((token, i) => toNumber(token, `prompt.init_tokens[${i}]`));
  return {
    tokens: tokens || init.length || PROMPT_TOKENS,
    initTokens: init,
    seed: toSeed(seed, 'prompt.seed'),
  };
}

function fromPrompt({ tokens, initTokens, seed }: PromptRecord): WirePrompt {
  return { tokens, initTokens: initTokens.map(BigInt), seed: BigInt(seed) };
}

/** MeZO's. */
const PREFIX_TOKENS = 5;

function toPrefix({ tokens, seed }: WirePrefix): PrefixRecord {
  return { tokens: tokens || PREFIX_TOKENS, seed: toSeed(seed, 'prefix.seed') };
}

function fromPrefix({ tokens, seed }: PrefixRecord): WirePrefix {
  return { tokens, seed: BigInt(seed) };
}

/** In decimal: JSON has no uint64. */
function toSeed(seed: bigint, field: string): string {
  checkSeed(seed, field);
  return String(seed);
}
