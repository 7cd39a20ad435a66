// Studies in the journal: one transaction of several, and the rows of a study that is not whole.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Journal } from '../../server/journal/journal.ts';
import { openJournal } from '../../server/journal/sqlite.ts';
import type { StoredTrial } from '../../server/journal/study-log.ts';

const STUDY = { name: 'studies/a', plan: '{}', ledger: '{}', changes: 0, createTimeMs: 5 };

function trial(number: number, more: Partial<StoredTrial> = {}): StoredTrial {
  const open = { outcome: 'open', value: null, reason: null, toldChange: null } as const;
  const lease = { client: 'c', requestId: `r${number}`, leaseEndMs: 9 };
  return {
    number,
    candidate: number - 1,
    vector: Uint8Array.of(1, 2),
    point: null,
    ...open,
    ...lease,
    ...more,
  };
}

describe('the studies of a journal', () => {
  let journal: Journal;
  beforeEach(() => {
    journal = openJournal(':memory:', { sync: 'normal' });
  });
  afterEach(() => journal.close());

  test('keep what succeeded beside what failed in the same transaction', () => {
    const { studies } = journal;
    studies.create(STUDY);
    studies.together(() => {
      studies.apart(() => studies.addTrial(STUDY.name, trial(1)));
      const failing = () =>
        studies.apart(() => {
          studies.addTrial(STUDY.name, trial(2));
          throw new Error('after its write');
        });
      expect(failing).toThrow('after its write');
      studies.apart(() => studies.addTrial(STUDY.name, trial(3)));
    });
    expect(studies.trials(STUDY.name, 0, 9).map(({ number }) => number)).toEqual([1, 3]);
  });

  test('find trials by their state and by the request that got them', () => {
    const { studies } = journal;
    studies.create(STUDY);
    for (let number = 1; number <= 4; number++) studies.addTrial(STUDY.name, trial(number));
    studies.settle(STUDY.name, 2, { outcome: 'told', value: -0.5, reason: null, toldChange: 1 });
    studies.lease(STUDY.name, 3, { client: 'other', requestId: 'r1', leaseEndMs: 20 });
    expect(studies.openTrials(STUDY.name).map(({ number }) => number)).toEqual([1, 3, 4]);
    expect(studies.trialsOf(STUDY.name, { client: 'other', requestId: 'r1' })).toEqual([
      trial(3, { client: 'other', requestId: 'r1', leaseEndMs: 20 }),
    ]);
    expect(studies.findTrial(STUDY.name, 2)).toEqual(
      trial(2, { outcome: 'told', value: -0.5, toldChange: 1 }),
    );
    expect(studies.findTrial(STUDY.name, 5)).toBeUndefined();
  });

  test('have only the changes that the ledger has not', () => {
    const { studies } = journal;
    studies.create(STUDY);
    for (let number = 1; number <= 3; number++) studies.putChange(STUDY.name, number, `${number}`);
    studies.putLedger(STUDY.name, 'later', 2);
    expect(studies.changes(STUDY.name)).toEqual(['3']);
    expect(studies.get(STUDY.name)).toEqual({ ...STUDY, ledger: 'later', changes: 2 });
  });

  test('do not show one that is not whole, and forget it', () => {
    const { studies } = journal;
    studies.begin(STUDY);
    studies.addTrial(STUDY.name, trial(1));
    expect(studies.list()).toEqual([]);
    expect(() => studies.create(STUDY)).toThrow('studies/a exists already');
    studies.forgetUnfinished();
    expect(studies.has(STUDY.name)).toBe(false);
    studies.create(STUDY);
    expect(studies.trials(STUDY.name, 0, 9)).toEqual([]);
    studies.delete(STUDY.name);
    expect(() => studies.get(STUDY.name)).toThrow('studies/a does not exist');
  });

  test('that are deleted are swept row by row, and no others', () => {
    const { studies } = journal;
    studies.create(STUDY);
    for (let number = 1; number <= 5; number++) {
      studies.addTrial(STUDY.name, trial(number));
      studies.addUpdate(STUDY.name, number, '[]');
      studies.putChange(STUDY.name, number, '{}');
    }
    studies.delete(STUDY.name);
    studies.create(STUDY);
    studies.addTrial(STUDY.name, trial(1));
    // Three times 5 rows by 4, and the study.
    expect(turnsOf({ rows: 4, bytes: 2 ** 20 })).toBe(7);
    expect(studies.trials(STUDY.name, 0, 9)).toHaveLength(1);
  });

  test('are swept by fewer rows where these are long, one at least', () => {
    const { studies } = journal;
    for (const [bytes, turns] of [
      [250_000, 4],
      [1000, 7],
    ]) {
      studies.create(STUDY);
      for (let number = 1; number <= 6; number++)
        studies.addTrial(STUDY.name, trial(number, { vector: new Uint8Array(100_000) }));
      studies.delete(STUDY.name);
      expect(turnsOf({ rows: 500, bytes })).toBe(turns);
    }
    studies.create(STUDY);
    for (let revision = 1; revision <= 6; revision++)
      studies.addUpdate(STUDY.name, revision, 'x'.repeat(1000));
    studies.delete(STUDY.name);
    expect(turnsOf({ rows: 500, bytes: 3000 })).toBe(3);
  });

  /** Until nothing is left. */
  const turnsOf = (most: Parameters<Journal['studies']['sweep']>[0]) => {
    let turns = 0;
    while (journal.studies.sweep(most)) turns++;
    return turns;
  };
});
