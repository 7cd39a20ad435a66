import { describe, expect, test } from 'vitest';
import type { Change } from '../../server/journal/journal.ts';
import { type Step, Timeline, tensorsOf } from '../../server/run/timeline.ts';

const shift = (seed: number): Change => ({ kind: 'shifts', shifts: [{ seed: BigInt(seed), scale: 1 }] });
const rollback = (toRevision: number): Change => ({ kind: 'rollback', toRevision });

function timelineOf(...changes: Change[]): Timeline {
  const timeline = new Timeline();
  for (const change of changes) timeline.append(change);
  return timeline;
}

/** A path as text: `-3 -2 +4` undoes the shifts with seeds 3 and 2 and redoes that with seed 4. */
function walked(timeline: Timeline, from: number, to: number): string {
  const { undo, redo } = timeline.path(from, to);
  const name = ({ barrier, shifts }: Step) =>
    [barrier?.kind ?? [], shifts.map(({ seed }) => String(seed))].flat(2).join('&');
  return [...undo.map((step) => `-${name(step)}`), ...redo.map((step) => `+${name(step)}`)].join(' ');
}

describe('timeline', () => {
  const line = timelineOf(shift(1), shift(2), shift(3));
  // Revision 4 is another name of 1; 5 and 6 grow from there; 7 returns to 5.
  const tree = timelineOf(shift(1), shift(2), shift(3), rollback(1), shift(5), shift(6), rollback(5));

  test.each([
    ['forward from the base', line, 0, 3, '+1 +2 +3'],
    ['back to the base', line, 3, 0, '-3 -2 -1'],
    ['nowhere', line, 2, 2, ''],
    ['back over one', line, 3, 2, '-3'],
    ['to what a rollback made', tree, 3, 4, '-3 -2'],
    ['between two names of one state', tree, 1, 4, ''],
    ['from one branch to the other', tree, 3, 6, '-3 -2 +5 +6'],
    ['and back', tree, 6, 3, '-6 -5 +2 +3'],
    ['to a rollback of a branch', tree, 6, 7, '-6'],
    ['from the base over a rollback', tree, 0, 7, '+1 +5'],
  ])('a path %s', (_, timeline, from, to, expected) => {
    expect(walked(timeline, from, to)).toBe(expected);
  });

  test('a decay is a barrier before the shifts of its step, a regrid one without any', () => {
    const decay = { factor: 0.5, seed: 1n, tensors: [0, 2] };
    const timeline = timelineOf(
      shift(1),
      { kind: 'shifts', decay, shifts: [{ seed: 2n, scale: 1 }] },
      { kind: 'shifts', decay, shifts: [] },
      { kind: 'regrid', tensor: 1, exponent: -20 },
    );
    expect(walked(timeline, 0, 4)).toBe('+1 +decay&2 +decay +regrid');
    const barriers = timeline.path(0, 4).redo.map(({ barrier }) => barrier && tensorsOf(barrier));
    expect(barriers).toEqual([undefined, [0, 2], [0, 2], [1]]);
  });

  test.each([
    ['forward', 0, 3],
    ['back', 3, 1],
    ['from one branch to the other', 3, 6],
    ['between two names of one state', 1, 4],
  ])(
    'what is undone %s is looked at step by step, and no way has fewer steps than it says',
    (_, from, to) => {
      const { undo, redo } = tree.path(from, to);
      expect([...tree.undone(from, to)]).toEqual(undo);
      expect(tree.stepsBetweenMin(from, to)).toBeLessThanOrEqual(undo.length + redo.length);
      const [first] = tree.undone(from, to);
      expect(first).toBe(undo[0]);
    },
  );

  test('a rollback to a rollback is the state that the first one named', () => {
    const timeline = timelineOf(shift(1), shift(2), rollback(1), shift(4), rollback(3));
    expect(timeline.canonical(5)).toBe(1);
  });

  test('a revision beyond the head is a bug of the caller', () => {
    expect(() => line.path(0, 4)).toThrow('timeline: revision 4 is beyond 3');
  });
});
