import { describe, expect, it } from 'vitest';
import { Commits, type Work } from '../../../server/study/trials/commits.ts';
import { openRegistry, planOf, type Registry } from '../registry.ts';

type Counted = Disposable & {
  readonly registry: Registry;
  readonly commits: Commits;
  /** What was done, a list for each turn of the event loop. */
  readonly turns: string[][];
  /** A work that takes so many pieces of 2 ms before it can be done, and 2 ms then. */
  work(name: string, pieces?: number): Work<string>;
};

/** @param begin Called where a transaction begins. */
function openCommits(begin = () => {}): Counted {
  const registry = openRegistry();
  const log = registry.journal.studies;
  const turns: string[][] = [];
  let ms = 0;
  let turn: string[] | undefined;
  const done = (what: string) => {
    ms += 2;
    if (turn === undefined) {
      turn = [];
      turns.push(turn);
      queueMicrotask(() => (turn = undefined));
    }
    turn.push(what);
  };
  const together = <T>(work: () => T) => {
    begin();
    return log.together(work);
  };
  return {
    registry,
    commits: new Commits({ ...log, together }, () => ms),
    turns,
    work: (name, pieces = 0) => ({
      *prepare() {
        for (let i = 0; i < pieces; i++) {
          done(`${name} prepares`);
          yield;
        }
      },
      run() {
        done(name);
        if (name.endsWith('!')) throw new Error(name);
        return name;
      },
    }),
    [Symbol.dispose]: () => registry[Symbol.dispose](),
  };
}

const outcomesOf = async (works: readonly Promise<string>[]) =>
  (await Promise.allSettled(works)).map((each) =>
    each.status === 'fulfilled' ? each.value : `${each.reason}`,
  );

describe('what takes long does not keep the event loop', () => {
  it('of many works the rest is for another turn, in order', async () => {
    using counted = openCommits();
    const { registry, commits, turns, work } = counted;
    const study = registry.studies.create('a', planOf());
    const works = ['0', '1', '2', '3!', '4', '5', '6'].map((name) => commits.add(study, work(name)));
    expect(await outcomesOf(works)).toEqual(['0', '1', '2', 'Error: 3!', '4', '5', '6']);
    expect(turns).toEqual([['0', '1'], ['2', '3!'], ['4', '5'], ['6']]);
  });

  it('a long one has turns of its own by turns with others, and those of its study come behind it', async () => {
    using counted = openCommits();
    const { registry, commits, turns, work } = counted;
    const [one, other] = ['a', 'b'].map((id) => registry.studies.create(id, planOf()));
    const works = [
      commits.add(one, work('long', 5)),
      commits.add(one, work('behind')),
      ...['x', 'y', 'z'].map((name) => commits.add(other, work(name))),
    ];
    expect(await outcomesOf(works)).toEqual(['long', 'behind', 'x', 'y', 'z']);
    expect(turns).toEqual([
      ['long prepares', 'long prepares'],
      ['long prepares', 'long prepares'],
      ['x', 'y'],
      ['long prepares'],
      ['long', 'behind'],
      ['z'],
    ]);
  });

  it('two long ones of two studies have turns by turns', async () => {
    using counted = openCommits();
    const { registry, commits, turns, work } = counted;
    const [one, other] = ['a', 'b'].map((id) => registry.studies.create(id, planOf()));
    const works = [commits.add(one, work('a', 4)), commits.add(other, work('b', 4))];
    expect(await outcomesOf(works)).toEqual(['a', 'b']);
    expect(turns).toEqual([
      ['a prepares', 'a prepares'],
      ['a prepares', 'a prepares'],
      ['b prepares', 'b prepares'],
      ['a'],
      ['b prepares', 'b prepares'],
      ['b'],
    ]);
  });
});

describe('what fails', () => {
  it('while it is prepared fails nothing by itself: what it is for says what there is to say', async () => {
    using counted = openCommits();
    const { registry, commits, work } = counted;
    const study = registry.studies.create('a', planOf());
    const fails = {
      ...work('done all the same'),
      // biome-ignore lint/correctness/useYield: it does not come so far.
      *prepare() {
        throw new Error('not prepared');
      },
    };
    expect(await outcomesOf([commits.add(study, fails)])).toEqual(['done all the same']);
  });

  it('to begin is said to all who wait, and works again when it does', async () => {
    let isFull = true;
    using counted = openCommits(() => {
      if (isFull) throw new Error('the disk is full');
    });
    const { registry, commits, work } = counted;
    const study = registry.studies.create('a', planOf());
    const works = ['0', '1'].map((name) => commits.add(study, work(name)));
    expect(await outcomesOf(works)).toEqual(['Error: the disk is full', 'Error: the disk is full']);
    isFull = false;
    expect(await outcomesOf([commits.add(study, work('2'))])).toEqual(['2']);
  });
});
