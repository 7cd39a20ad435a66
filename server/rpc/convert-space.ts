// Search spaces between wire and domain.
import {
  RangeScale,
  type BoxSpace as WireBox,
  type SpaceParameter as WireParameter,
  type VectorForm as WireVectorForm,
} from '../../proto/gen/zeroth/v1/study_service.ts';
import { invalid } from '../errors.ts';
import type { Parameter } from '../study/space/parameter.ts';
import { checkSpace, type Space } from '../study/space/space.ts';
import { toNumber } from './convert.ts';
import { renamed } from './renamed.ts';

export function toSpace(wire: NonNullable<WireVectorForm['space']>): Space {
  const space: Space =
    wire.$case === 'box'
      ? { kind: 'box', parameters: toParameters(wire.value) }
      : { kind: 'vector', start: wire.value.start, scale: wire.value.scale ?? 1 };
  try {
    checkSpace(space);
  } catch (error) {
    throw renamed(
      error,
      (field) => `plan.vector.${wire.$case}.${wire.$case === 'box' ? inList(field, wire.value) : field}`,
    );
  }
  return space;
}

/** What the domain has by name, the wire has in a list: `parameters.x.min` is `parameters[0].float.min`. */
function inList(field: string, { parameters }: WireBox): string {
  const i = parameters.findIndex(
    ({ name }) => field === `parameters.${name}` || field.startsWith(`parameters.${name}.`),
  );
  if (i === -1) return field;
  const { name, range } = parameters[i];
  return `parameters[${i}].${range?.$case}${field.slice(`parameters.${name}`.length)}`;
}

export function fromSpace(space: Space): NonNullable<WireVectorForm['space']> {
  return space.kind === 'box'
    ? { $case: 'box', value: { parameters: Object.entries(space.parameters).map(fromParameter) } }
    : { $case: 'free', value: { start: [...space.start], scale: space.scale } };
}

function toParameters({ parameters }: WireBox): Record<string, Parameter> {
  const named = parameters.map(({ name, range }, i) => {
    const field = `plan.vector.box.parameters[${i}]`;
    if (parameters.findIndex((each) => each.name === name) !== i)
      throw invalid(`${field}.name`, 'a name of its own', JSON.stringify(name));
    return [name, toParameter(range, field)] as const;
  });
  return Object.fromEntries(named);
}

function toParameter(range: WireParameter['range'], field: string): Parameter {
  switch (range?.$case) {
    case 'float':
      return { kind: 'float', ...range.value, scale: toScale(range.value.scale, `${field}.float`) };
    case 'integer': {
      const { min, max, scale, start } = range.value;
      return {
        kind: 'integer',
        min: toNumber(min, `${field}.integer.min`),
        max: toNumber(max, `${field}.integer.max`),
        scale: toScale(scale, `${field}.integer`),
        start: start === undefined ? undefined : toNumber(start, `${field}.integer.start`),
      };
    }
    case 'category':
      return { kind: 'category', ...range.value };
    case undefined:
      throw invalid(`${field}.range`, 'a float, an integer or a category', 'none of them');
  }
}

function toScale(scale: RangeScale, field: string): 'linear' | 'log' {
  if (scale === RangeScale.UNRECOGNIZED)
    throw invalid(`${field}.scale`, 'linear (1) or log (2)', String(scale));
  return scale === RangeScale.RANGE_SCALE_LOG ? 'log' : 'linear';
}

function fromParameter([name, parameter]: readonly [string, Parameter]): WireParameter {
  if (parameter.kind === 'category') {
    const { choices, start } = parameter;
    return { name, range: { $case: 'category', value: { choices: [...choices], start } } };
  }
  const { min, max, start } = parameter;
  const scale = parameter.scale === 'log' ? RangeScale.RANGE_SCALE_LOG : RangeScale.RANGE_SCALE_LINEAR;
  if (parameter.kind === 'float')
    return { name, range: { $case: 'float', value: { min, max, scale, step: parameter.step, start } } };
  const whole = {
    min: BigInt(min),
    max: BigInt(max),
    start: start === undefined ? undefined : BigInt(start),
  };
  return { name, range: { $case: 'integer', value: { ...whole, scale } } };
}
