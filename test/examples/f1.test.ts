// The example of docs/objectives.md, as it is run by hand.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

test('a classifier is tuned for F1 itself, by built-in f1 and by a module to the same weights', async () => {
  const { stdout } = await run(process.execPath, ['examples/f1/main.ts', '--json']);
  const [before, , builtIn, own] = JSON.parse(stdout) as { f1: number; weightsSha256: string }[];
  expect(builtIn.f1).toBeGreaterThan(before.f1 + 0.05);
  expect(own).toEqual({ ...builtIn, objective: 'custom/f1' });
  expect(own.weightsSha256).not.toBe(before.weightsSha256);
}, 300_000);
