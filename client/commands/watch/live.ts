// A frame that is drawn again and again on the terminal's other screen, which is left as it was found.
import type { WriteStream } from 'node:tty';

/** A picture four times a second is smooth enough, and costs a few per cent of a core. */
const REDRAW_MS = 250;

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';

export type Live = {
  /** Leaves the other screen. */
  stop(): void;
};

/** @param frame lines for a terminal of this size. */
export function openLive(
  terminal: WriteStream,
  frame: (size: { readonly columns: number; readonly rows: number }) => readonly string[],
): Live {
  const draw = () => {
    const lines = frame({ columns: terminal.columns, rows: terminal.rows });
    // From the top, each line to its end and then what is below: nothing flickers.
    terminal.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`);
  };
  const leave = () => terminal.write(LEAVE);
  terminal.write(ENTER);
  draw();
  const timer = setInterval(draw, REDRAW_MS);
  terminal.on('resize', draw);
  // However the process ends, short of SIGKILL.
  process.once('exit', leave);
  return {
    stop() {
      clearInterval(timer);
      terminal.off('resize', draw);
      process.off('exit', leave);
      leave();
    },
  };
}
