// What a large generation costs is spread over turns of the event loop: who asks of other studies does not wait for it, and nothing comes out another way.
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cmaEs } from '../../server/study/optimizers/cma-es/cma-es.ts';
import { whole } from '../../server/study/optimizers/common/pieces.ts';
import type { Study } from '../../server/study/trials/study.ts';
import { callsOf, forEver, openRegistry, planOf, type Registry, request, told } from './registry.ts';

/** Of 2,000 points in 60 dimensions: some fifty milliseconds of work, where a turn has three. */
const options = { seed: 1n, populationSize: 2000 };
const space = { kind: 'vector', start: new Array<number>(60).fill(1), scale: 1 } as const;
const plan = planOf({ form: { kind: 'vector', space, optimizer: { name: 'cma-es', options } } });

let registry: Registry;
beforeEach(() => {
  registry = openRegistry();
});
afterEach(() => registry[Symbol.dispose]());

const { ask } = callsOf(() => registry);
const tell = (study: Study, first: number, last: number) => {
  const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const values = numbers.map((number) => told(number, Math.sin(number)));
  return registry.studies.tell(study, { values, requestId: '', ask: undefined }, forEver);
};

/** All of its first generation is out, and told but for the last one. */
async function almostWhole(): Promise<Study> {
  const study = registry.studies.create('large', plan);
  await ask(study, { count: 1000 });
  await tell(study, 1, 1000);
  await ask(study, { count: 1000 });
  await tell(study, 1001, 1999);
  return study;
}

/** Names in the order in which they come to their ends. */
async function endsOf(works: Readonly<Record<string, Promise<unknown>>>): Promise<string[]> {
  const ends: string[] = [];
  const each = Object.entries(works).map(([name, work]) => work.then(() => ends.push(name)));
  await Promise.all(each);
  return ends;
}

it('others are served meanwhile, and who asks of the same study comes behind it', async () => {
  const study = await almostWhole();
  const other = registry.studies.create('other', planOf());
  const ends = await endsOf({
    tell: tell(study, 2000, 2000),
    behind: ask(study),
    other: ask(other),
  });
  expect(ends).toEqual(['other', 'tell', 'behind']);
});

it('the state is the one that its optimizer has at once, and what a restart reads', async () => {
  const study = await almostWhole();
  await Promise.all([tell(study, 2000, 2000), ask(study, { count: 3 })]);
  const optimizer = cmaEs(options, space, 1 / 2);
  const { state } = optimizer.ask(optimizer.start(), 2000);
  const values = Array.from({ length: 2000 }, (_, id) => ({
    id,
    vector: space.start,
    value: Math.sin(id + 1),
  }));
  const next = optimizer.ask(optimizer.tell(state, values), 3);
  expect(study.ledger.state).toEqual(next.state);
  expect(study.trials(2000, 3).map(({ point }) => point)).toEqual(
    next.candidates.map(({ vector }) => ({ kind: 'vector', vector })),
  );
  const [atOnce, inPieces] = [registry.again(), registry.again()];
  const large = inPieces.get('studies/large');
  await inPieces.read(large);
  expect(large.isRead).toBe(true);
  expect(large.ledger).toEqual(study.ledger);
  expect(atOnce.get('studies/large').ledger).toEqual(study.ledger);
});

it('a study that is deleted meanwhile is not found by whoever told it, and its name is free', async () => {
  const study = await almostWhole();
  const telling = tell(study, 2000, 2000);
  for (let i = 0; i < 2; i++) await turn();
  registry.studies.delete(study);
  const young = registry.studies.create('large', planOf());
  await expect(telling).rejects.toThrow('studies/large does not exist');
  expect((await ask(young)).map(({ number }) => number)).toEqual([1]);
  expect(young.ledger).toMatchObject({ trials: 1, told: 0 });
});

it('leases that end between drawing and offering go first, and no trial is given twice', async () => {
  const study = registry.studies.create('a', plan);
  await ask(study, { count: 5, leaseMs: 10 });
  const late = request({ client: 'b', count: 600 });
  whole(study.prepare({ values: [], requestId: '', ask: late }));
  registry.clock.ms += 11;
  const trials = registry.journal.studies.together(() => study.offer(late));
  expect(trials.map(({ number }) => number)).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
  expect(study.open).toBe(600);
});
