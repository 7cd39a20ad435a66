// The proto, the tables of server/strategy and what a server lists say the same.
import { readFileSync } from 'node:fs';
import { fromBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProto_Type,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { describe, expect, it, test } from 'vitest';
import { descriptorsBase64 } from '../../proto/gen/descriptors.ts';
import { NoiseTable } from '../../proto/gen/zeroth/v1/run_service.ts';
import { ScheduleKind, Strategy, StrategyFieldType } from '../../proto/gen/zeroth/v1/strategy.ts';
import { fromStrategy, toStrategy } from '../../server/rpc/convert-strategy.ts';
import type { Field, Fields } from '../../server/strategy/fields.ts';
import { strategyNames, strategyOf } from '../../server/strategy/index.ts';
import { decodeState, encodeState } from '../../server/strategy/state.ts';
import { startFixture } from '../support/fixture-server.ts';

const FILE = 'zeroth/v1/strategy.proto';
const source = readFileSync(`proto/${FILE}`, 'utf8');
const descriptors = fromBinary(FileDescriptorSetSchema, Buffer.from(descriptorsBase64, 'base64'));
const file = descriptors.file.find(({ name }) => name === FILE)!;

const pascal = (name: string) => name.replace(/(?:^|[-_])([a-z])/g, (_, letter) => letter.toUpperCase());
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const messageOf = (name: string) => file.messageType.find((each) => each.name === name)!;

const types: Record<Field['type']['kind'], FieldDescriptorProto_Type> = {
  number: FieldDescriptorProto_Type.DOUBLE,
  integer: FieldDescriptorProto_Type.UINT32,
  boolean: FieldDescriptorProto_Type.BOOL,
  seed: FieldDescriptorProto_Type.FIXED64,
  choice: FieldDescriptorProto_Type.ENUM,
  group: FieldDescriptorProto_Type.MESSAGE,
};

/** The comment above a field, as one line. */
function commentOf(message: string, field: string): string {
  const body = new RegExp(`\nmessage ${message} \\{\n(.*?)\n\\}`, 's').exec(source)![1];
  const above = new RegExp(`((?: *//[^\n]*\n)*) *(?:optional )?\\w+ ${field} =`).exec(body)![1];
  return above.replace(/\s*\/\/ ?/g, ' ').trim();
}

function checkMessage({ name, field: wire }: DescriptorProto, fields: Fields): void {
  expect(new Set(wire.map((each) => each.name))).toEqual(new Set(Object.keys(fields).map(snake)));
  for (const [option, field] of Object.entries(fields))
    checkField(name, wire.find((each) => each.name === snake(option))!, field);
}

function checkField(message: string, wire: FieldDescriptorProto, { type, presence, otherwise }: Field): void {
  expect([wire.name, wire.type]).toEqual([wire.name, types[type.kind]]);
  const isScalar = type.kind === 'number' || type.kind === 'integer' || type.kind === 'boolean';
  expect([wire.name, wire.proto3Optional]).toEqual([wire.name, isScalar]);
  if (type.kind === 'choice') {
    const values = file.enumType.find(({ name }) => wire.typeName.endsWith(`.${name}`))!.value;
    const names = ['unspecified', ...type.choices].map((each) => each.replace('-', '_').toUpperCase());
    expect(values.map(({ number }) => number)).toEqual(names.map((_, i) => i));
    for (const [i, value] of values.entries()) expect(value.name.endsWith(`_${names[i]}`)).toBe(true);
  }
  if (type.kind === 'group') checkMessage(messageOf(wire.typeName.split('.').at(-1)!), type.fields);
  const comment = commentOf(message, wire.name);
  if (isScalar && comment !== 'As in Mezo.') {
    const told = /Default ([^ ]+)\.(?: |$)/.exec(comment)?.[1];
    if (presence !== 'defaulted') expect([wire.name, told]).toEqual([wire.name, undefined]);
    else expect([wire.name, JSON.parse(told!)]).toEqual([wire.name, otherwise]);
    expect([wire.name, /\bRequired\./.test(comment)]).toEqual([wire.name, presence === 'required']);
  }
}

describe('the proto', () => {
  test('has a message for every strategy', () => {
    const fields = messageOf('Strategy').field.map(({ name }) => name);
    expect(fields).toEqual(strategyNames.map((name) => name.replaceAll('-', '_')));
  });

  test.each(strategyNames)('%s has the options of its table, with their types and defaults', (name) => {
    checkMessage(messageOf(pascal(name)), strategyOf(name).fields);
  });
});

describe('a strategy on the wire', () => {
  const schedule = { kind: ScheduleKind.SCHEDULE_KIND_LINEAR, totalSteps: 100, warmupSteps: undefined };

  it('becomes options with all defaults, and a message again; both survive a store', () => {
    const message = Strategy.fromPartial({
      kind: { $case: 'mezo', value: { seed: (1n << 64n) - 1n, learningRate: 0.5, schedule } },
    });
    const { name, options, strategy } = toStrategy(message, 'strategy');
    expect([name, strategy.name]).toEqual(['mezo', 'mezo']);
    expect(options).toEqual({
      learningRate: 0.5,
      epsilon: 1e-3,
      directions: 1,
      weightDecay: 0,
      decayEvery: 1,
      schedule: { kind: 'linear', totalSteps: 100, warmupSteps: 0 },
      seed: (1n << 64n) - 1n,
    });
    const stored = decodeState<typeof options>(encodeState(options));
    const again = Strategy.decode(Strategy.encode(fromStrategy({ name, options: stored })).finish());
    expect(toStrategy(again, 'strategy').options).toEqual(options);
  });

  it('a choice that is left out is the first', () => {
    const es = (value: object) =>
      toStrategy(Strategy.fromPartial({ kind: { $case: 'es', value } }), '').options;
    expect(es({})).toMatchObject({ shaping: 'standardized', population: 30 });
    expect(es({ shaping: 2 })).toMatchObject({ shaping: 'centred-ranks' });
  });

  it.each([
    [undefined, 'strategy', /^strategy: expected a strategy among mezo, .*, bszo, got none$/],
    [
      { $case: 'mezo', value: {} },
      'strategy.mezo.learning_rate',
      'strategy.mezo.learning_rate: expected a finite number above 0, got nothing',
    ],
    [
      { $case: 'mezoSvrg', value: { eta1: 1, eta2: 1, annealing: { window: 0 } } },
      'strategy.mezo_svrg.annealing.window',
      'strategy.mezo_svrg.annealing.window: expected a whole number of 1 or more, got 0',
    ],
    [
      { $case: 'zoSgdMomentum', value: { learningRate: 1, beta: 1 } },
      'strategy.zo_sgd_momentum.beta',
      'strategy.zo_sgd_momentum.beta: expected a finite number of 0 or more and below 1, got 1',
    ],
    [
      { $case: 'mezo', value: { learningRate: 1, schedule: { kind: 3 } } },
      'strategy.mezo.schedule.total_steps',
      /^strategy\.mezo\.schedule\.total_steps: expected a whole number above /,
    ],
    [
      { $case: 'es', value: { population: 3, antithetic: true } },
      'strategy.es.population',
      'strategy.es.population: expected an even number, for antithetic pairs, got 3',
    ],
    [
      { $case: 'mezoGv', value: { guide: 9 } },
      'strategy.mezo_gv.guide',
      'strategy.mezo_gv.guide: expected one of guiding-vector, greedy, got 9',
    ],
  ])('%o is an error about %s', (kind, field, message) => {
    const wire = Strategy.fromPartial({ kind } as never);
    const refusal = () => toStrategy(wire, 'strategy');
    expect(refusal).toThrow(expect.objectContaining({ kind: 'invalid-argument' }));
    expect(refusal).toThrow(expect.objectContaining({ details: { field } }));
    expect(refusal).toThrow(message);
  });
});

test('a server lists its strategies with all that a form needs', async () => {
  await using fixture = await startFixture();
  const { strategies, strategyInfos } = await fixture.zeroth.info();
  expect(strategyInfos.map(({ name }) => name)).toEqual(strategies);
  const info = (name: string) => strategyInfos.find((each) => each.name === name)!;
  expect(info('fzoo')).toMatchObject({
    title: 'FZOO',
    paper: 'arXiv 2506.09034',
    cost: '(directions + 1) b',
    table: NoiseTable.NOISE_TABLE_RADEMACHER,
  });
  const field = (name: string, option: string) => info(name).fields.find((each) => each.name === option);
  expect(field('mezo', 'learning_rate')).toMatchObject({ required: true, defaultValue: '', minimum: 0 });
  expect(field('mezo', 'learning_rate')).toMatchObject({ aboveMinimum: true, maximum: undefined });
  expect(field('mezo', 'seed')).toMatchObject({
    type: StrategyFieldType.STRATEGY_FIELD_TYPE_SEED,
    required: false,
    defaultValue: '0',
  });
  expect(field('es', 'shaping')).toMatchObject({
    type: StrategyFieldType.STRATEGY_FIELD_TYPE_CHOICE,
    defaultValue: 'standardized',
    choices: ['standardized', 'centred-ranks'],
  });
  expect(field('mezo-svrg', 'annealing')).toMatchObject({
    type: StrategyFieldType.STRATEGY_FIELD_TYPE_GROUP,
    required: false,
    fields: [
      { name: 'window', required: true },
      { name: 'factor', required: true, minimum: 1 },
    ],
  });
});
