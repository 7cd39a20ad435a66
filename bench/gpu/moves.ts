// How fast weights move where they lie, against a copy of the same bytes on the device: a move reads and writes every weight, as
// the copy does.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Bench } from '../bench.ts';
import { benchesOf, progress } from '../rounds.ts';
import type { MoveRound } from './moves-process.ts';
import type { GpuOptions } from './options.ts';
import { modelFolder } from './processes.ts';

const PROCESS = fileURLToPath(new URL('./moves-process.ts', import.meta.url));

/** GB/s are bytes of weights; `aa` is the control; `step` is what a MeZO step moves. */
const rows = [
  ['gpu.copy', 'GB/s'],
  ['gpu.copy.aa', 'x'],
  ['gpu.move.one', 'GB/s'],
  ['gpu.move.two', 'GB/s'],
  ['gpu.move.one.ratio', 'x'],
  ['gpu.move.two.ratio', 'x'],
  ['gpu.move.step', 'ms'],
] as const;

type Figures = Record<(typeof rows)[number][0], number>;

export function moveBenches(options: GpuOptions): readonly Bench[] {
  return benchesOf(rows, () => measure(options));
}

async function measure(options: GpuOptions): Promise<Record<keyof Figures, number[]>> {
  await using folder = await modelFolder(options);
  const { device, rounds } = options;
  const child = fork(PROCESS, [folder.model, device, String(rounds)]);
  const taken: Figures[] = [];
  child.on('message', (round: MoveRound) => {
    const figures = figuresOf(round);
    progress('gpu.move', taken.length, rounds, figures);
    taken.push(figures);
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the process that moves weights ended with ${code}`);
  const samples = rows.map(([name]) => [name, taken.map((figures) => figures[name])]);
  return Object.fromEntries(samples) as Record<keyof Figures, number[]>;
}

function figuresOf({ bytes, copy, again, one, two, step }: MoveRound): Figures {
  const plain = (copy + again) / 2;
  const gigabytesPerSecond = (milliseconds: number) => bytes / 1e6 / milliseconds;
  return {
    'gpu.copy': gigabytesPerSecond(plain),
    'gpu.copy.aa': copy / again,
    'gpu.move.one': gigabytesPerSecond(one),
    'gpu.move.two': gigabytesPerSecond(two),
    'gpu.move.one.ratio': one / plain,
    'gpu.move.two.ratio': two / plain,
    'gpu.move.step': step,
  };
}
