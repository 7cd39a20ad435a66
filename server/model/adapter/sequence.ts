// A model whose sequences are to become longer than what callers send: which of its inputs go along.
import { invalid } from '../../errors.ts';
import { describe, type TensorSpec } from '../../tensor.ts';
import { roleOf } from '../batch/fill-in.ts';
import type { InputSpec, ModelGraph } from '../graph/graph.ts';

/** Far above what is of use; what tokens take is allocated before it is held against weightsBytesMax. */
const TOKENS_MAX = 4096;

/** Slice with its bounds as inputs. */
export const OPSET_MIN = 10n;

/** By what they are to a row of tokens; all but ids may be missing. */
export type SequenceInputs = {
  /** Integers, [rows, sequence]. */
  readonly ids: InputSpec;
  /** [rows, sequence], or of a past and the sequence together. */
  readonly masks: readonly InputSpec[];
  readonly types: readonly InputSpec[];
  readonly positions: readonly InputSpec[];
  readonly pasts: readonly InputSpec[];
  /** Whether a merged decoder reads its past. */
  readonly useCache: InputSpec | undefined;
};

/** @throws ZerothError invalid-argument on `field`.tokens. */
export function checkTokens(field: string, tokens: number): void {
  if (Number.isInteger(tokens) && tokens >= 1 && tokens <= TOKENS_MAX) return;
  throw invalid(`${field}.tokens`, `an integer from 1 to ${TOKENS_MAX}`, String(tokens));
}

/** @throws ZerothError invalid-argument on `field` where an input is none that we know how to make longer. */
export function findSequenceInputs({ inputs }: ModelGraph, field: string): SequenceInputs {
  const of = (role: ReturnType<typeof roleOf>) => inputs.filter((input) => roleOf(input) === role);
  const [others, masks, types, positions] = [of(undefined), of('mask'), of('types'), of('positions')];
  const ids = others.find(({ name }) => name === 'input_ids') ?? others[0];
  if (ids === undefined) throw invalid(field, 'a model with an input of token ids', 'one without');
  const unknown = others.find((input) => input !== ids);
  if (unknown !== undefined)
    throw invalid(
      field,
      'a model of token ids, masks, token types, positions and a past',
      `one with an input "${unknown.name}", which is ${describe(unknown)}`,
    );
  for (const input of [ids, ...masks, ...types, ...positions])
    if (!isByToken(input))
      throw invalid(
        field,
        'inputs of integers [rows, sequence] that the model leaves free',
        `"${input.name}", which is ${describe(input)}`,
      );
  return { ids, masks, types, positions, pasts: of('past'), useCache: of('use-cache')[0] };
}

function isByToken({ dataType, shape }: TensorSpec): boolean {
  return /^(int|uint|bool)/.test(dataType) && shape.length === 2 && shape[1] === -1;
}
