// docs/command.md with what its commands print now: npm run command-page.
import { readFile, writeFile } from 'node:fs/promises';
import { COMMAND_PAGE, openCommandShell } from './command-shell.ts';
import { type Block, blocksOf, withBlocks } from './console-page.ts';

const page = await readFile(COMMAND_PAGE, 'utf8');
await using shell = await openCommandShell();
const blocks: Block[] = [];
for (const block of blocksOf(page)) blocks.push(await shell.run(block));
await writeFile(COMMAND_PAGE, withBlocks(page, blocks));
