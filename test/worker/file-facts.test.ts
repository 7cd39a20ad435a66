import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FileFacts } from '../../server/worker/file-facts.ts';
import { temporaryFolder } from '../support/server-process.ts';

/** How often a file is read for three questions, two of them the same, asked twice; between them it is written again with `content`. */
async function findings(now: () => number, content: string | undefined): Promise<string[]> {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'weights.data');
  writeFileSync(path, 'before');
  const facts = new FileFacts(now);
  const found: string[] = [];
  for (const round of [1, 2]) {
    const file = openSync(path, 'r');
    for (const question of ['sha256', 'finite', 'sha256']) {
      const answer = facts.about(file, 'weights.data', question, () => {
        found.push(`${question} ${round}`);
        return `${question} of ${round}`;
      });
      expect(answer).toMatch(question);
    }
    closeSync(file);
    if (content !== undefined) writeFileSync(path, content);
  }
  return found;
}

/** As if all that is written now had been so for a while. */
const later = () => Date.now() + 60_000;

test('what was found of a file is known as long as it is the same', async () => {
  expect(await findings(later, undefined)).toEqual(['sha256 1', 'finite 1']);
});

test('a file that was written again is another one, though it has as many bytes', async () => {
  expect(await findings(later, 'after!')).toEqual(['sha256 1', 'finite 1', 'sha256 2', 'finite 2']);
});

test('of a file that has just been written nothing is remembered: it may change within a tick of its clock', async () => {
  const then = Date.now();
  expect(await findings(() => then, undefined)).toHaveLength(6);
});
