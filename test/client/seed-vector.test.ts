// A client's vector, moved by shifts and back.
import { describe, expect, test } from 'vitest';
import { SeedVector } from '../../client/seed-vector.ts';
import { largestEntry, noiseTable } from '../../server/noise/table.ts';

const values = () => Float32Array.from({ length: 300 }, (_, i) => Math.sin(i * 1.7));
const far = { seed: 3n, scale: 0.9 };

describe('a vector of a client', () => {
  test('is as it was after a look, whatever becomes of that', async () => {
    const vector = new SeedVector(values());
    const before = vector.values.slice();
    const shifts = [
      { seed: 1n, scale: 0.25 },
      { seed: 2n, scale: -1e-3 },
    ];
    const seen = await vector.at(shifts, (each) => each.slice());
    expect(seen).not.toEqual(before);
    expect(vector.values).toEqual(before);
    await expect(vector.at(shifts, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(vector.values).toEqual(before);
    // Beyond half the range: copied, not undone.
    await vector.at([far], () => 0);
    expect(vector.values).toEqual(before);
    await expect(vector.at([{ ...far, scale: 100 }], () => 0)).rejects.toThrow(RangeError);
    expect(vector.values).toEqual(before);
  });

  test('takes updates in order and once', () => {
    const [one, other] = [new SeedVector(values()), new SeedVector(values())];
    const updates = [1n, 2n, 3n].map((revision) => ({ revision, shifts: [{ seed: revision, scale: 1e-2 }] }));
    one.apply(updates);
    other.apply(updates.slice(0, 2));
    other.apply(updates);
    expect(other.revision).toBe(3n);
    expect(other.values).toEqual(one.values);
    expect(() => new SeedVector(values()).apply(updates.slice(1))).toThrow(
      'updates: expected revision 1, got 2',
    );
  });

  test('goes to a coarser grid beyond half its range, in float32 as in float64', () => {
    const [single, double] = [new SeedVector(values()), new SeedVector(Float64Array.from(values()))];
    for (let revision = 1n; revision <= 40n; revision++)
      for (const vector of [single, double]) vector.apply([{ revision, shifts: [{ seed: 7n, scale: 0.5 }] }]);
    expect(Math.max(...single.values.map(Math.abs))).toBeGreaterThan(16);
    expect(Float32Array.from(double.values)).toEqual(single.values);
  });

  test('goes on from values, revision and grid that were kept as one that was there all the time', () => {
    const update = (revision: bigint, scale: number) => [{ revision, shifts: [{ seed: revision, scale }] }];
    const whole = new SeedVector(values());
    // Out to a coarser grid, and back.
    whole.apply([{ revision: 1n, shifts: [{ seed: 1n, scale: 1 }] }]);
    for (let revision = 2n; revision <= 9n; revision++)
      whole.apply([{ revision, shifts: [{ seed: 1n, scale: 1 }] }]);
    for (let revision = 10n; revision <= 18n; revision++)
      whole.apply([{ revision, shifts: [{ seed: 1n, scale: -1 }] }]);
    const { revision, gridExponent } = whole;
    const kept = new SeedVector(whole.values.slice(), { revision, gridExponent });
    for (const vector of [whole, kept]) vector.apply(update(19n, 1e-3));
    expect(kept.values).toEqual(whole.values);
    expect(() => new SeedVector(Float32Array.of(8), { gridExponent: -24 })).toThrow(
      'gridExponent: expected one whose range holds 8, got -24',
    );
  });

  test('does not follow an update that leads out of its range, even where it leads back', () => {
    const [single, double] = [new SeedVector(values()), new SeedVector(Float64Array.from(values()))];
    const before = single.values.slice();
    const shifts = [
      { seed: 1n, scale: 1000.5 },
      { seed: 1n, scale: -1000.5 },
    ];
    for (const vector of [single, double])
      expect(() => vector.apply([{ revision: 1n, shifts }])).toThrow(RangeError);
    expect([single.revision, double.revision]).toEqual([0n, 0n]);
    expect(single.values).toEqual(before);
  });

  test('has no place for what is not a number', () => {
    expect(() => new SeedVector(Float32Array.of(1, Number.NaN))).toThrow('grid: NaN is not a magnitude');
  });

  test('counts on tables whose largest entry is below 6', () => {
    for (const table of ['gaussian', 'rademacher'] as const)
      expect(largestEntry(noiseTable(table))).toBeLessThan(6);
  });
});
