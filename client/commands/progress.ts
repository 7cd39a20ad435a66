// A bar of bytes on a terminal; nothing elsewhere.
import { Presets, SingleBar } from 'cli-progress';
import type { OnDownload } from '../progress.ts';
import { bytes } from './output.ts';

export type BytesBar = Disposable & {
  readonly update: OnDownload;
  stop(): void;
};

const BAR_WIDTH = 20;

export function openBytesBar(name: string): BytesBar {
  let bar: SingleBar | undefined;
  const stop = () => bar?.stop();
  return {
    update({ receivedBytes, totalBytes }) {
      if (process.stderr.isTTY !== true || totalBytes === undefined) return;
      bar ??= begin(name, totalBytes);
      bar.update(receivedBytes);
    },
    stop,
    [Symbol.dispose]: stop,
  };
}

export function begin(name: string, totalBytes: number, after = ''): SingleBar {
  const format = `${name.padEnd(10)} {bar} {percentage} % of ${bytes(totalBytes)} | {eta_formatted} left${after}`;
  // An interrupt is for the command to hear.
  const looks = { format, barsize: BAR_WIDTH, hideCursor: true, clearOnComplete: true, gracefulExit: false };
  const bar = new SingleBar({ ...looks, stream: process.stderr }, Presets.shades_classic);
  bar.start(totalBytes, 0);
  return bar;
}
