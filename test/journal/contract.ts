// What every journal must do, whatever it is kept in.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeChange } from '../../server/journal/encode.ts';
import type { Change, Journal } from '../../server/journal/journal.ts';
import { errorOf, runRecord, sha256, shiftsOf, update } from './updates.ts';

/** The largest seeds and the scales at the ends of float64, in every kind of change. */
const extremes: readonly Change[] = [
  shiftsOf({ seed: 0xffff_ffff_ffff_ffffn, scale: -Number.MAX_VALUE }, { seed: 0n, scale: Number.MIN_VALUE }),
  shiftsOf({ seed: 0x8000_0000_0000_0000n, scale: -0 }),
  shiftsOf(),
  {
    kind: 'shifts',
    decay: { factor: Number.MIN_VALUE, seed: 0xffff_ffff_ffff_ffffn, tensors: [0, 7, 8, 2 ** 20 - 1] },
    shifts: [{ seed: 1n, scale: -0 }],
  },
  { kind: 'shifts', decay: { factor: 1 - 2 ** -53, seed: 0n, tensors: [] }, shifts: [] },
  { kind: 'regrid', tensor: 0xffff_ffff, exponent: -2_147_483_648 },
  { kind: 'regrid', tensor: 0, exponent: 2_147_483_647 },
  { kind: 'rollback', toRevision: 0 },
  { kind: 'rollback', toRevision: Number.MAX_SAFE_INTEGER },
];

export function keepsTheContract(name: string, open: () => Journal): void {
  describe(`${name} keeps the journal's contract`, () => {
    let journal: Journal;
    const fork = (...of: Parameters<Journal['forkRun']>) => [...journal.forkRun(...of)].length;
    beforeEach(() => {
      journal = open();
    });
    afterEach(() => journal.close());

    test('a run that was created is found as it was', () => {
      const record = runRecord('runs/a', { forkedFrom: 'runs/é', forkedRevision: 3 });
      journal.createRun(record);
      expect(journal.findRun('runs/a')).toStrictEqual(record);
      expect(journal.findRun('runs/b')).toBeUndefined();
      expect([journal.head('runs/a'), journal.bytes('runs/a')]).toEqual([0, 0]);
    });

    test('a run with adapters is found as it was, and one from before there were any has none', () => {
      const lora = { rank: 8, alpha: 16.5, targets: ['*.q_proj'], seed: '18446744073709551615' };
      journal.createRun(runRecord('runs/a', { lora }));
      journal.createRun(runRecord('runs/b'));
      expect(journal.findRun('runs/a')?.lora).toStrictEqual(lora);
      expect(journal.findRun('runs/b')).not.toHaveProperty('lora');
    });

    test('a name is taken once', () => {
      journal.createRun(runRecord('runs/a'));
      const error = errorOf(() => journal.createRun(runRecord('runs/a')));
      expect([error.kind, error.message]).toEqual(['already-exists', 'runs/a already exists']);
    });

    test('runs are listed by name, after a name, of one model or of all', () => {
      for (const id of ['c', 'a', 'b']) journal.createRun(runRecord(`runs/${id}`, { model: `models/${id}` }));
      const names = (...args: Parameters<Journal['listRuns']>) =>
        journal.listRuns(...args).map((run) => run.name);
      expect(names('', 10)).toEqual(['runs/a', 'runs/b', 'runs/c']);
      expect(names('runs/a', 1)).toEqual(['runs/b']);
      expect(names('', 10, 'models/c')).toEqual(['runs/c']);
      expect(names('runs/c', 10, 'models/c')).toEqual([]);
    });

    test('entries come back in order, bit for bit, with a chain of digests from the base', () => {
      journal.createRun(runRecord('runs/a'));
      const appended = extremes.map((change, index) =>
        journal.append('runs/a', { ...update(index), change }),
      );
      expect(journal.entries('runs/a', 0, 100)).toStrictEqual(appended);
      expect(appended.map((entry) => entry.revision)).toEqual(extremes.map((_, index) => index + 1));
      expect(appended.map((entry) => entry.change)).toStrictEqual(extremes);
      expect(journal.head('runs/a')).toBe(extremes.length);
    });

    test('the digest is SHA-256 over the digest before and the encoded change', () => {
      journal.createRun(runRecord('runs/a'));
      const first = journal.append('runs/a', { ...update(1), change: shiftsOf({ seed: 2n, scale: 1 }) });
      const second = journal.append('runs/a', { ...update(2), change: { kind: 'rollback', toRevision: 0 } });
      const encoded = Buffer.from('01' + '0200000000000000' + '000000000000f03f', 'hex');
      expect(first.digest).toEqual(sha256(Buffer.from('ab'.repeat(32), 'hex'), encoded));
      expect(second.digest).toEqual(sha256(first.digest, Buffer.from('030000000000000000', 'hex')));
      expect(journal.bytes('runs/a')).toBe(17 + 32 + 9 + 32);
    });

    test.for([
      [{ seed: 1n, scale: Number.NaN }, 'shifts[1].scale: expected a finite number, got NaN'],
      [
        { seed: 1n, scale: Number.POSITIVE_INFINITY },
        'shifts[1].scale: expected a finite number, got Infinity',
      ],
      [{ seed: -1n, scale: 1 }, 'shifts[1].seed: expected a uint64, got -1'],
      [{ seed: 1n << 64n, scale: 1 }, 'shifts[1].seed: expected a uint64, got 18446744073709551616'],
    ] as const)(
      'a shift that cannot be replayed is refused and nothing is appended: %s',
      ([shift, message]) => {
        journal.createRun(runRecord('runs/a'));
        const change = shiftsOf({ seed: 1n, scale: 1 }, shift);
        const error = errorOf(() => journal.append('runs/a', { ...update(1), change }));
        expect([error.kind, error.message]).toEqual(['invalid-argument', message]);
        expect(journal.append('runs/a', update(1)).revision).toBe(1);
      },
    );

    test('a page is bounded in bytes as well, and the pages together are everything', () => {
      journal.createRun(runRecord('runs/a'));
      const wide = Array.from({ length: 40_000 }, (_, i) => ({ seed: BigInt(i), scale: 1 }));
      for (let step = 1; step <= 5; step++)
        journal.append('runs/a', { ...update(step), change: shiftsOf(...wide) });
      expect(journal.entries('runs/a', 0, 100).map(({ revision }) => revision)).toEqual([1, 2]);
      expect(journal.entries('runs/a', 2, 100).map(({ revision }) => revision)).toEqual([3, 4]);
      expect(journal.entries('runs/a', 4, 100).map(({ revision }) => revision)).toEqual([5]);
    });

    test('a request id finds its entry in its own run', () => {
      for (const run of ['runs/a', 'runs/b']) journal.createRun(runRecord(run));
      journal.append('runs/a', update(1, ''));
      journal.append('runs/a', update(2));
      journal.append('runs/b', update(2));
      const found = { revision: 2, contentHash: sha256('step-2') };
      expect(journal.findRequest('runs/a', 'step-2')).toStrictEqual(found);
      expect(journal.findRequest('runs/b', 'step-2')?.revision).toBe(1);
      expect(journal.findRequest('runs/a', '')).toBeUndefined();
    });

    test('a request id is appended once; entries without one are free', () => {
      journal.createRun(runRecord('runs/a'));
      for (const step of [1, 2]) journal.append('runs/a', update(step, ''));
      journal.append('runs/a', update(3));
      const error = errorOf(() => journal.append('runs/a', update(3)));
      expect(error.kind).toBe('request-id-reused');
      expect(error.message).toBe('request_id: expected one that runs/a has not seen, got that of revision 3');
      expect(journal.head('runs/a')).toBe(3);
    });

    test('a fork has the same chain up to its revision, and no request ids', () => {
      journal.createRun(runRecord('runs/a'));
      for (const step of [1, 2, 3]) journal.append('runs/a', update(step));
      fork(runRecord('runs/b', { forkedFrom: 'runs/a', forkedRevision: 2 }), 'runs/a', 2);
      const source = journal.entries('runs/a', 0, 2).map((entry) => ({ ...entry, requestId: '' }));
      expect(journal.entries('runs/b', 0, 10)).toStrictEqual(source);
      expect(journal.append('runs/b', update(3))).toStrictEqual(journal.entries('runs/a', 2, 1)[0]);
      expect(journal.bytes('runs/b')).toBe(journal.bytes('runs/a'));
    });

    test('a fork beyond the head or onto a name that is taken leaves nothing behind', () => {
      for (const run of ['runs/a', 'runs/b']) journal.createRun(runRecord(run));
      const beyond = errorOf(() => fork(runRecord('runs/c'), 'runs/a', 1));
      expect(beyond.message).toBe('revision: expected 0 to 0, the head of runs/a, got 1');
      expect([beyond.kind, beyond.details.metadata]).toEqual(['revision-beyond-head', { head: '0' }]);
      expect(errorOf(() => fork(runRecord('runs/b'), 'runs/a', 0)).kind).toBe('already-exists');
      expect(journal.listRuns('', 10)).toHaveLength(2);
      expect(journal.append('runs/b', update(1)).revision).toBe(1);
    });

    test('a deleted run takes its entries and snapshots along, and its name is free', () => {
      journal.createRun(runRecord('runs/a'));
      journal.append('runs/a', update(1));
      journal.putSnapshot('runs/a', { name: 'best', revision: 1 });
      journal.deleteRun('runs/a');
      expect(journal.findRun('runs/a')).toBeUndefined();
      journal.createRun(runRecord('runs/a'));
      expect([journal.head('runs/a'), journal.snapshots('runs/a')]).toEqual([0, []]);
      expect(journal.append('runs/a', update(1)).revision).toBe(1);
    });

    test('what belongs to a run that is not there is not found', () => {
      const calls: readonly (() => unknown)[] = [
        () => journal.head('runs/x'),
        () => journal.bytes('runs/x'),
        () => journal.append('runs/x', update(1)),
        () => journal.entries('runs/x', 0, 1),
        () => journal.findRequest('runs/x', 'a'),
        () => journal.putSnapshot('runs/x', { name: 'a', revision: 0 }),
        () => fork(runRecord('runs/y'), 'runs/x', 0),
        () => journal.deleteRun('runs/x'),
      ];
      for (const call of calls) {
        const error = errorOf(call);
        expect([error.kind, error.message]).toEqual(['not-found', 'runs/x does not exist']);
      }
    });

    test('snapshots are put, moved, listed by name and deleted', () => {
      journal.createRun(runRecord('runs/a'));
      for (const step of [1, 2]) journal.append('runs/a', update(step));
      journal.putSnapshot('runs/a', { name: 'z', revision: 0 });
      journal.putSnapshot('runs/a', { name: 'anchor', revision: 1 });
      journal.putSnapshot('runs/a', { name: 'anchor', revision: 2 });
      const listed = [
        { name: 'anchor', revision: 2 },
        { name: 'z', revision: 0 },
      ];
      expect(journal.snapshots('runs/a')).toStrictEqual(listed);
      expect(journal.deleteSnapshot('runs/a', 'z')).toBe(true);
      expect(journal.deleteSnapshot('runs/a', 'z')).toBe(false);
      const beyond = errorOf(() => journal.putSnapshot('runs/a', { name: 'b', revision: 3 }));
      expect(beyond.kind).toBe('revision-beyond-head');
    });

    test('changes of any size are counted, paged, forked and deleted', () => {
      const large = (count: number) =>
        shiftsOf(...Array.from({ length: count }, (_, i) => ({ seed: BigInt(i), scale: 0.5 * i })));
      const changes = [1, 31, 32, 2 ** 16, 3].map(large);
      journal.createRun(runRecord('runs/a'));
      for (const [i, change] of changes.entries()) journal.append('runs/a', { ...update(i), change });
      const bytes = changes.map((change) => encodeChange(change).length + 32);
      expect(journal.bytes('runs/a')).toBe(bytes.reduce((sum, each) => sum + each));
      // The fourth fills the page.
      expect(journal.entries('runs/a', 0, 10).map(({ change }) => change)).toEqual(changes.slice(0, 4));
      expect(journal.encodedChanges('runs/a', 3, 10)).toEqual([encodeChange(changes[3])]);

      fork(runRecord('runs/b', { forkedFrom: 'runs/a', forkedRevision: 4 }), 'runs/a', 4);
      journal.deleteRun('runs/a');
      expect(journal.entries('runs/b', 2, 10).map(({ change }) => change)).toEqual(changes.slice(2, 4));
      expect(journal.bytes('runs/b')).toBe(bytes.slice(0, 4).reduce((sum, each) => sum + each));
    });

    test('a long run is forked in parts, and is there with the last of them', () => {
      journal.createRun(runRecord('runs/a'));
      journal.together('runs/a', () => {
        for (let step = 1; step <= 2500; step++) journal.append('runs/a', update(step));
      });
      const record = runRecord('runs/b', { forkedFrom: 'runs/a', forkedRevision: 2500 });
      const parts = journal.forkRun(record, 'runs/a', 2500);
      for (let part = 0; part < 3; part++) {
        expect(parts.next().done).toBe(false);
        expect([journal.findRun('runs/b'), journal.listRuns('', 10).length]).toEqual([undefined, 1]);
      }
      expect(parts.next().done).toBe(true);
      expect([journal.head('runs/b'), journal.digestAt('runs/b', 2500)]).toEqual([
        2500,
        journal.digestAt('runs/a', 2500),
      ]);

      for (const _ of journal.forkRun({ ...record, name: 'runs/c' }, 'runs/a', 2500)) break;
      expect(journal.listRuns('', 10).map(({ name }) => name)).toEqual(['runs/a', 'runs/b']);
      const orphan = journal.forkRun({ ...record, name: 'runs/c' }, 'runs/a', 2500);
      orphan.next();
      journal.deleteRun('runs/a');
      journal.createRun(runRecord('runs/a'));
      expect(errorOf(() => [...orphan]).message).toBe('runs/a does not exist');
      expect(fork({ ...record, name: 'runs/c' }, 'runs/b', 2500)).toBe(3);
    });

    test('bytes are counted a part at a time, and with what comes meanwhile', () => {
      journal.createRun(runRecord('runs/a'));
      for (let step = 1; step <= 5; step++) journal.append('runs/a', update(step));
      fork(runRecord('runs/b'), 'runs/a', 5);
      expect(journal.countBytes('runs/b', 2)).toBe(false);
      journal.append('runs/b', update(6));
      expect([2, 2, 2].map((count) => journal.countBytes('runs/b', count))).toEqual([false, true, true]);
      journal.append('runs/b', update(7));
      expect(journal.countBytes('runs/b', 1)).toBe(true);
      expect(journal.bytes('runs/b')).toBe(7 * 49);
    });

    test('models are put, replaced, listed by name and deleted', () => {
      journal.putModel({ name: 'models/b', path: 'b.onnx', sha256: '00' });
      journal.putModel({ name: 'models/a', path: 'a.onnx', sha256: '00' });
      journal.putModel({ name: 'models/b', path: 'b.onnx', sha256: '01' });
      journal.deleteModel('models/a');
      expect(journal.models()).toStrictEqual([{ name: 'models/b', path: 'b.onnx', sha256: '01' }]);
    });

    test('100,000 entries are listed page by page', () => {
      journal.createRun(runRecord('runs/a'));
      for (let step = 1; step <= 100_000; step++) journal.append('runs/a', update(step, ''));
      const seen: number[] = [];
      for (let page = journal.entries('runs/a', 0, 1000); page.length > 0; ) {
        for (const entry of page) seen.push(entry.revision);
        page = journal.entries('runs/a', seen.length, 1000);
      }
      expect(seen).toEqual(Array.from({ length: 100_000 }, (_, index) => index + 1));
      expect(journal.bytes('runs/a')).toBe(100_000 * 49);
    });
  });
}
