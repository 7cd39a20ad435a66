import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callsOf, errorOf, forEver, inPieces, openRegistry, planOf, type Registry } from '../registry.ts';
import { bytesOf, evaluated } from './exports.ts';

let registry: Registry;
beforeEach(() => {
  registry = openRegistry();
});
afterEach(() => registry[Symbol.dispose]());

const { ask } = callsOf(() => registry);

describe('an import', () => {
  it('that fails leaves the study of that name alone which somebody made meanwhile', async () => {
    async function* slow() {
      await sleep(5);
      yield Buffer.from('{"format":');
      await sleep(5);
      yield Buffer.from('nothing\n');
    }
    const importing = errorOf(registry.studies.import('a', slow()));
    const creating = () => registry.studies.create('a', planOf());
    expect(creating).toThrow('studies/a exists already');
    expect((await importing).kind).toBe('invalid-argument');
    const study = creating();
    await ask(study);
    expect((await errorOf(registry.studies.import('a', inPieces(Buffer.from('{}\n'))))).kind).toBe(
      'already-exists',
    );
    expect(registry.studies.get('studies/a').ledger.trials).toBe(1);
  });

  it('keeps words that look like numbers, and parameters of any name', async () => {
    const parameters = {
      seed: { kind: 'category', choices: ['1', '2', 'number:NaN', 'number:-0'], start: '2' },
      x: { kind: 'integer', min: 1, max: 4 },
    } as const;
    const optimizer = { name: 'random', options: { seed: 3n } } as const;
    const plan = planOf({ form: { kind: 'vector', space: { kind: 'box', parameters }, optimizer } });
    const study = registry.studies.create('words', plan);
    const [{ number }] = await ask(study, { client: 'number:Infinity' });
    const point = {
      kind: 'vector',
      vector: [0.1, 0.2, 0.9, 0.3, 0.5],
      given: { seed: 'number:NaN', x: 3 },
    } as const;
    const reason = 'number:-0';
    await registry.studies.tell(
      study,
      {
        values: [
          { of: { trial: number }, outcome: { kind: 'infeasible', reason } },
          { of: { point }, outcome: { kind: 'told', value: 1 } },
        ],
        requestId: 'r',
        ask: undefined,
      },
      forEver,
    );
    const copy = await registry.studies.import('copy', inPieces(await bytesOf(study), 10));
    expect(copy.plan).toEqual({ ...plan, rules: 3 });
    expect(copy.trials(0, 9)).toEqual(study.trials(0, 9));
    expect(registry.again().get('studies/words').plan).toEqual({ ...plan, rules: 3 });
  });

  it('lets others have a turn between its pieces, and takes lines that come byte by byte', async () => {
    const study = await evaluated(registry, planOf());
    const bytes = await bytesOf(study);
    let turns = 0;
    let isOver = false;
    const counting = (async () => {
      for (; !isOver; turns++) await turn();
    })();
    const many = registry.studies.create('many', planOf());
    for (let i = 0; i < 5; i++) await ask(many, { count: 200 });
    const before = turns;
    await registry.studies.import('copy', inPieces(await bytesOf(many)));
    expect(turns - before).toBeGreaterThan(4);
    // Rows that are long come in smaller parts: here 33, of 8,000 bytes.
    const space = { kind: 'vector', start: new Array<number>(1000).fill(1 / 3), scale: 1 } as const;
    const optimizer = { name: 'random', options: { seed: 3n } } as const;
    const long = registry.studies.create('long', planOf({ form: { kind: 'vector', space, optimizer } }));
    for (let i = 0; i < 5; i++) await ask(long, { count: 40 });
    const middle = turns;
    await registry.studies.import('copy-of-long', inPieces(await bytesOf(long)));
    expect(turns - middle).toBeGreaterThanOrEqual(6);
    isOver = true;
    await counting;
    const copy = await registry.studies.import('bytes', inPieces(bytes, 1));
    expect(copy.ledger).toEqual(study.ledger);
  });
});
