// Which tensors of a model a run trains.
import { TensorProto_DataType } from '../../../proto/gen/onnx/onnx.ts';
import { invalid, ZerothError } from '../../errors.ts';
import { matchesGlob } from './glob.ts';
import type { ModelGraph, Parameter } from './graph.ts';
import { whyUntrainable } from './initializers.ts';
import { nearest } from './nearest.ts';

/** Patterns of names: `*` stands for any characters, `?` for one. No include pattern means `*`. */
export type TrainableSelector = {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
};

const HINTS_MAX = 5;

/** Types that weights have where they are not float32. */
const OTHER_WEIGHTS: readonly number[] = [
  TensorProto_DataType.FLOAT16,
  TensorProto_DataType.BFLOAT16,
  TensorProto_DataType.INT8,
  TensorProto_DataType.UINT8,
];

/** What to do about weights that are not float32. */
const ADAPTERS_HELP = 'lora trains adapters beside weights of any type';

/**
 * The parameters that match an include pattern and no exclude pattern, in the order of the graph.
 * A tensor without dimensions is a constant of the graph: only its exact name includes it.
 * @throws ZerothError invalid-argument where a pattern includes nothing or nothing is left.
 */
export function selectTrainable(graph: ModelGraph, selector: TrainableSelector): Parameter[] {
  const candidates = graph.parameters.filter((parameter) => parameter.trainable);
  if (candidates.length === 0)
    throw invalid('model', 'float32 initializers with finite values to train', `none; ${ADAPTERS_HELP}`);
  const include = (selector.include.length === 0 ? ['*'] : selector.include).map(toMatcher);
  const exclude = selector.exclude.map(toMatcher);
  const idle = include.filter((matcher) => !candidates.some((parameter) => includes(matcher, parameter)));
  if (idle.length > 0) throw matchesNothing(graph, candidates, idle);
  const included = candidates.filter((parameter) => include.some((matcher) => includes(matcher, parameter)));
  const left = included.filter(
    ({ name, alias = name }) => !exclude.some((matcher) => matcher.test(name) || matcher.test(alias)),
  );
  if (left.length > 0) return left;
  const got = `patterns that match all ${included.length}`;
  throw invalid('trainable.exclude', 'patterns that leave an included tensor', got);
}

/**
 * The parameters of these exact names, in this order.
 * @throws ZerothError invalid-argument where the model has no such trainable tensor.
 */
export function trainableNamed(graph: ModelGraph, names: readonly string[]): Parameter[] {
  return names.map((name) => {
    const parameter = graph.parameters.find((each) => each.trainable && each.name === name);
    if (parameter === undefined) throw invalid('model', `a trainable tensor "${name}"`, 'none of that name');
    return parameter;
  });
}

type Matcher = { readonly pattern: string; test(name: string): boolean };

function toMatcher(pattern: string): Matcher {
  return { pattern, test: (name) => matchesGlob(pattern, name) };
}

function includes(matcher: Matcher, { name, alias, shape }: Parameter): boolean {
  const names = alias === undefined ? [name] : [name, alias];
  return names.some((each) => (shape.length === 0 ? matcher.pattern === each : matcher.test(each)));
}

/** One message for all of them: what each one does match, if anything, and names that may be meant. */
function matchesNothing(
  graph: ModelGraph,
  candidates: readonly Parameter[],
  idle: readonly Matcher[],
): ZerothError {
  const field = 'trainable.include';
  const got = idle.map((matcher) => describeIdle(graph, matcher)).join(' and ');
  const names = candidates.map(({ name, alias = name }) => alias);
  const hints = nearest(idle[0].pattern.replaceAll('*', ''), names, HINTS_MAX).map((name) => `"${name}"`);
  const hint = `there ${names.length === 1 ? 'is' : `are ${names.length}, such as`} ${hints.join(', ')}`;
  const message = `${field}: expected patterns that match trainable tensors, got ${got}; ${hint}`;
  return new ZerothError('invalid-argument', message, { field });
}

function describeIdle(graph: ModelGraph, { pattern, test }: Matcher): string {
  const tensor = graph.proto.graph.initializer.find(({ name = '' }) => test(name));
  if (tensor === undefined) return `"${pattern}" (matches nothing)`;
  const why = whyUntrainable(tensor, graph.files);
  if (why === undefined) return `"${pattern}" (matches "${tensor.name}", which its exact name selects)`;
  const help = OTHER_WEIGHTS.includes(tensor.dataType ?? 0) ? `; ${ADAPTERS_HELP}` : '';
  return `"${pattern}" (matches "${tensor.name}": ${why}${help})`;
}
