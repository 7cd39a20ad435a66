// Search spaces: parameters by name with their ranges, to and from the unit cube that optimizers of
// boxes work in; or R^d around a start.
import { invalid } from '../../errors.ts';
import type { Domain } from './domain.ts';
import { type Parameter, type ParameterValue, parameterKinds } from './parameter.ts';

/** Parameters take coordinates in the order in which an object lists its names. */
export type BoxSpace = { readonly kind: 'box'; readonly parameters: Readonly<Record<string, Parameter>> };

/** No names: a vector is its own point. The optimum is expected within a few times `scale` of `start`. */
type VectorSpace = {
  readonly kind: 'vector';
  readonly start: readonly number[];
  readonly scale: number;
};

export type Space = BoxSpace | VectorSpace;

export type Point = Readonly<Record<string, ParameterValue>>;

/** Of one that came from outside. @throws ZerothError naming the field. */
export function checkSpace(space: Space): void {
  if (space.kind === 'vector') {
    const { start, scale } = space;
    if (start.length === 0) throw invalid('start', 'at least one number', 'none');
    for (const [i, x] of start.entries())
      if (!Number.isFinite(x)) throw invalid(`start[${i}]`, 'a finite number', String(x));
    if (!(Number.isFinite(scale) && scale > 0))
      throw invalid('scale', 'a finite number above 0', String(scale));
    return;
  }
  const parameters = Object.entries(space.parameters);
  if (parameters.length === 0) throw invalid('parameters', 'at least one', 'none');
  for (const [name, parameter] of parameters) {
    if (name === '') throw invalid('parameters', 'names that are not empty', "''");
    // Protobuf's maps are plain objects in JavaScript, which have no such member of their own.
    if (name === '__proto__') throw invalid('parameters', 'names that objects can have', `'${name}'`);
    const kind = kindOf(parameter);
    kind.check(`parameters.${name}`, parameter);
    if (parameter.start !== undefined)
      kind.checkValue(`parameters.${name}.start`, parameter, parameter.start);
  }
}

/** Coordinates that an optimizer sees: one for a number, one for each choice of a category. */
export function dimensionOf(space: Space): number {
  return domainOf(space).start.length;
}

/** About what a point takes on the wire, and at least eight for each coordinate that is drawn for it. */
export function bytesOf(space: Space): number {
  if (space.kind === 'vector') return 8 * space.start.length;
  const parameters = Object.entries(space.parameters).map(([name, parameter]) => {
    const value = parameter.kind === 'category' ? bytesOfText(longest(parameter.choices)) : 8;
    return Math.max(ENTRY_BYTES + bytesOfText(name) + value, 8 * kindOf(parameter).dimension(parameter));
  });
  return parameters.reduce((sum, each) => sum + each, 0);
}

/** Tags and lengths of an entry of a map. */
const ENTRY_BYTES = 8;

function bytesOfText(text: string): number {
  return Buffer.byteLength(text);
}

function longest(texts: readonly string[]): string {
  return texts.reduce((a, b) => (b.length > a.length ? b : a));
}

/** The space as an optimizer sees it. What has no start begins in the middle. @param space checked. */
export function domainOf(space: Space): Domain {
  if (space.kind === 'vector') return space;
  const start = Object.values(space.parameters).flatMap((parameter) => {
    const kind = kindOf(parameter);
    const { start: value } = parameter;
    return value === undefined
      ? new Array<number>(kind.dimension(parameter)).fill(0.5)
      : kind.toUnit(parameter, value);
  });
  return { kind: 'box', start };
}

/** The same, with what its coordinates are cut into. */
export function cutDomainOf(space: Space): Domain {
  const domain = domainOf(space);
  if (space.kind === 'vector' || domain.kind === 'vector') return domain;
  let first = 0;
  const cells = Object.values(space.parameters).flatMap((parameter) => {
    const each = kindOf(parameter).cells(parameter, first);
    first += each.length;
    return each;
  });
  return cells.every(({ kind }) => kind === 'whole') ? domain : { ...domain, cells };
}

/** @param vector in [0, 1]^d, as an optimizer of the space's domain asks for. */
export function toPoint({ parameters }: BoxSpace, vector: readonly number[]): Point {
  let first = 0;
  const values = Object.entries(parameters).map(([name, parameter]) => {
    const kind = kindOf(parameter);
    const end = first + kind.dimension(parameter);
    const value = kind.fromUnit(parameter, vector.slice(first, end));
    first = end;
    return [name, value] as const;
  });
  return Object.fromEntries(values);
}

/**
 * What `toPoint` gives the point for, as far from its neighbours as can be: the middle of an integer's cell.
 * @throws ZerothError naming `point.NAME`.
 */
export function toVector({ parameters }: BoxSpace, point: Point): number[] {
  for (const name of Object.keys(point))
    if (!Object.hasOwn(parameters, name))
      throw invalid(`point.${name}`, `a parameter among ${Object.keys(parameters).join(', ')}`, name);
  return Object.entries(parameters).flatMap(([name, parameter]) => {
    const value = Object.hasOwn(point, name) ? point[name] : undefined;
    const kind = kindOf(parameter);
    kind.checkValue(`point.${name}`, parameter, value);
    return kind.toUnit(parameter, value as ParameterValue);
  });
}

function kindOf(parameter: Parameter) {
  return parameterKinds[parameter.kind];
}
