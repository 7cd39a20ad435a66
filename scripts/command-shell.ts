// The folder that the examples of docs/command.md are run in: a command called zeroth, a model, a tokenizer, rows.
import { chmod, copyFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Block, openShell, type Shell } from './console-page.ts';

export const COMMAND_PAGE = 'docs/command.md';

const LANGUAGE = 'test/fixtures/language';
/** Zeroth's own, which the page says. */
const PORT = 50051;

export async function openCommandShell(): Promise<Shell> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'zeroth-page-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  await furnish(folder);
  const port = await freePort();
  const { ZEROTH_SERVER, FORCE_COLOR, ...env } = process.env;
  const shell = stack.use(
    openShell(
      folder,
      {
        ...env,
        PATH: `${join(folder, 'bin')}:${env.PATH}`,
        NO_COLOR: '1',
        TERM: 'xterm',
        ZEROTH_PORT: String(port),
        ZEROTH_SERVER: `127.0.0.1:${port}`,
        ZEROTH_LOG_FORMAT: 'pretty',
      },
      'listening',
    ),
  );
  const all = stack.move();
  return {
    run: async (block) => naming(await shell.run(block), port),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** Whatever port was free, the page has the usual one. */
function naming({ size, examples }: Block, port: number): Block {
  return {
    size,
    examples: examples.map(({ command, output }) => ({
      command,
      output: output.replaceAll(String(port), String(PORT)),
    })),
  };
}

async function furnish(folder: string): Promise<void> {
  const at = (name: string) => join(folder, name);
  for (const name of ['models', 'bin']) await mkdir(at(name));
  const command = `#!/bin/sh\nexec '${process.execPath}' '${resolve('client/zeroth.ts')}' "$@"\n`;
  await writeFile(at('bin/zeroth'), command);
  await chmod(at('bin/zeroth'), 0o755);
  await copyFile(`${LANGUAGE}/distilbert-classification.onnx`, at('models/distilbert.onnx'));
  await cp(`${LANGUAGE}/tokenizers/bert`, at('tokenizer'), { recursive: true });
  await writeFile(at('train.jsonl'), reviews(120, 0));
  await writeFile(at('held-out.jsonl'), reviews(40, 1));
}

const words = [
  ['dull', 'a waste', 'badly told', 'loud and grey'],
  ['wonderful', 'a quiet delight', 'very funny', 'the best'],
] as const;

/** Made up: what they say follows from one word. */
function reviews(count: number, offset: number): string {
  return Array.from({ length: count }, (_, i) => {
    const side = (i * 7 + offset) % 2;
    const noun = ['film', 'story', 'cast', 'music', 'show'][(i + offset) % 5];
    const text = `The ${noun} was ${words[side][(i >> 1) % 4]}.`;
    return `${JSON.stringify({ text, label: side === 1 ? 'pos' : 'neg' })}\n`;
  }).join('');
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
