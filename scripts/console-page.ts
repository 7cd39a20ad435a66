// A page whose console blocks are what commands have printed: read, run in a folder of their own, and written again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** `$ command`, over as many lines as backslashes say, and what it printed. */
export type Example = { readonly command: string; readonly output: string };

/** A fenced block; of `console 80x24` what its commands leave on a terminal of that size. */
export type Block = {
  readonly size: { readonly columns: number; readonly rows: number } | undefined;
  readonly examples: readonly Example[];
};

const FENCED = /^```console(?: (\d+)x(\d+))?\n([\s\S]*?)^```$/gm;

export function blocksOf(page: string): Block[] {
  return [...page.matchAll(FENCED)].map(([, columns, rows, text]) => ({
    size: columns === undefined ? undefined : { columns: Number(columns), rows: Number(rows) },
    examples: examplesOf(text),
  }));
}

function examplesOf(text: string): Example[] {
  return text.split(/^\$ /m).flatMap((part) => {
    const [, command, output] = /^((?:.*\\\n)*.*)\n([\s\S]*)$/.exec(part) ?? [];
    return command === undefined || command === '' ? [] : [{ command, output }];
  });
}

/** The page with other blocks, in their order. */
export function withBlocks(page: string, blocks: readonly Block[]): string {
  const left = [...blocks];
  return page.replace(FENCED, () => toText(left.shift()!));
}

function toText({ size, examples }: Block): string {
  const name = size === undefined ? 'console' : `console ${size.columns}x${size.rows}`;
  return `\`\`\`${name}\n${examples.map(({ command, output }) => `$ ${command}\n${output}`).join('')}\`\`\``;
}

export type Shell = AsyncDisposable & {
  /** The same blocks with what their commands print here. */
  run(block: Block): Promise<Block>;
};

/** A shell's way of saying that somebody may go on; what such a command prints before `ready` is its output. */
const BACKGROUND = / &$/;

/** @param ready what a command in the background prints when it is. */
export function openShell(folder: string, env: NodeJS.ProcessEnv, ready: string): Shell {
  const started: ChildProcess[] = [];
  const run = async (command: string, size: Block['size']) => {
    const background = BACKGROUND.test(command);
    const child = start(background ? command.replace(BACKGROUND, '') : command, { folder, env, size });
    if (!background) return outputOf(child, size);
    started.push(child);
    return outputUntil(child, ready);
  };
  return {
    async run({ size, examples }) {
      const fresh: Example[] = [];
      for (const { command } of examples) fresh.push({ command, output: await run(command, size) });
      return { size, examples: fresh };
    },
    async [Symbol.asyncDispose]() {
      for (const child of started) {
        const ended = once(child, 'close');
        child.kill('SIGTERM');
        await ended;
      }
    },
  };
}

type Start = { readonly folder: string; readonly env: NodeJS.ProcessEnv; readonly size: Block['size'] };

/** Errors go where output goes, as on a terminal. `exec`, so that a signal reaches the command. */
function start(command: string, { folder, env, size }: Start): ChildProcess {
  const script = `exec 2>&1\n${size === undefined ? '' : `stty cols ${size.columns} rows ${size.rows}\n`}${command}`;
  const [program, args] =
    size === undefined
      ? ['bash', ['-c', script]]
      : ['script', ['--quiet', '--return', '--command', script, '/dev/null']];
  return spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Of a terminal what is on it in the end: all behind the last time that another screen was left. */
async function outputOf(child: ChildProcess, size: Block['size']): Promise<string> {
  const output = (await Array.fromAsync(child.stdout!)).join('');
  return size === undefined ? output : output.split('\x1b[?1049l').at(-1)!.replaceAll('\r\n', '\n');
}

function outputUntil(child: ChildProcess, ready: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout!.on('data', (data: Buffer) => {
      output += data;
      if (output.includes(ready)) resolve(`${output.trimEnd()}\n`);
    });
    child.once('close', () => reject(new Error(`expected ${ready}, got the end of a command: ${output}`)));
  });
}
