// The example, as a user starts it: two processes balance the pole, and end with the same controller.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('the cart-pole is balanced by an evolution strategy from other processes', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['examples/cart-pole/main.ts']);
  const lines = stdout.trim().split('\n');
  const clients = lines.slice(0, 2).map((line) => JSON.parse(line) as Record<string, unknown>);
  // The controller itself, at the last revision, and not only a point around it.
  for (const client of clients) expect(client).toMatchObject({ steps: 500, revision: '50' });
  expect(lines[2]).toBe('best 500 of 500 steps, after 1000 trials and 50 updates');
});
