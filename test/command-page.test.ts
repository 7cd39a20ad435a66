// docs/command.md says what its commands print: all of them are run again, in its order, and their words compared.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMAND_PAGE, openCommandShell } from '../scripts/command-shell.ts';
import { blocksOf, type Shell, withBlocks } from '../scripts/console-page.ts';
import { hasScript } from './client/commands/zeroth-process.ts';

const page = readFileSync(COMMAND_PAGE, 'utf8');
const blocks = blocksOf(page);

/** Times, rates and losses are another machine's; a column is as wide as they are, and a slow training says so on the way. */
function wordsOf(output: string): string {
  return output
    .replace(/^training .*\n/gm, '')
    .replace(/[0-9a-f]{64}/g, 'HASH')
    .replace(/\d[\d,.:TZ-]*(e[-+]\d+)?/g, '0')
    .replace(/\b0 (s|min)\b/g, '0 s')
    .replace(/[─┬┼┴]+/g, '─')
    .replace(/[ \t]+/g, ' ');
}

/** Above and below the curve. */
function withoutCurve(output: string): string {
  return output.replace(/^ *▲\n(.*\n)*?(?=· range of losses)/m, '');
}

describe('docs/command.md', () => {
  let shell: Shell;
  beforeAll(async () => {
    shell = await openCommandShell();
  });
  afterAll(() => shell[Symbol.asyncDispose]());

  test('has an example of every command', () => {
    const commands = blocks.flatMap(({ examples }) => examples.map(({ command }) => command)).join('\n');
    for (const name of 'serve models runs train watch pause resume stop eval export apply fork rollback'.split(
      ' ',
    ))
      expect(commands).toContain(`zeroth ${name}`);
    expect(withBlocks(page, blocks)).toBe(page);
  });

  for (const block of blocks)
    test.skipIf(block.size !== undefined && !hasScript)(
      block.examples.map(({ command }) => command).join('; '),
      async () => {
        const { examples } = await shell.run(block);
        for (const [i, { command, output }] of examples.entries()) {
          const wanted = block.examples[i];
          const [printed, written] = [output, wanted.output].map((each) => wordsOf(withoutCurve(each)));
          expect(`${command}\n${printed}`).toBe(`${wanted.command}\n${written}`);
        }
      },
    );
});
