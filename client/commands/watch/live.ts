// A frame that is drawn again and again on the terminal's other screen, which is left as it was found.
import type { WriteStream } from 'node:tty';
import { widthOf } from '../flow.ts';

/** A picture four times a second is smooth enough, and costs a few per cent of a core. */
const REDRAW_MS = 250;

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
/** What lies between is shown at once, by terminals that know how; others show it as it comes. */
const [BEGIN, END] = ['\x1b[?2026h', '\x1b[?2026l'];
const [TOP, TO_LINE_END, BELOW] = ['\x1b[H', '\x1b[K', '\r\n\x1b[J'];

export type Live = {
  /** Leaves the other screen. */
  stop(): void;
};

type Size = { readonly columns: number; readonly rows: number };

/** @param frame lines for a terminal of this size. */
export function openLive(terminal: WriteStream, frame: (size: Size) => readonly string[]): Live {
  const draw = () => {
    const { columns, rows } = terminal;
    terminal.write(toPicture(frame({ columns, rows }), { columns, rows }));
  };
  let timer: NodeJS.Timeout | undefined;
  const enter = () => {
    terminal.write(ENTER);
    draw();
    timer = setInterval(draw, REDRAW_MS);
    terminal.on('resize', draw);
  };
  const leave = () => {
    clearInterval(timer);
    terminal.off('resize', draw);
    terminal.write(LEAVE);
  };
  // Ctrl-Z: the shell has its own screen meanwhile.
  const pause = () => {
    leave();
    process.kill(process.pid, 'SIGSTOP');
  };
  enter();
  const canPause = process.platform !== 'win32';
  if (canPause) process.on('SIGTSTP', pause).on('SIGCONT', enter);
  // However the process ends, short of SIGKILL.
  process.once('exit', leave);
  return {
    stop() {
      if (canPause) process.off('SIGTSTP', pause).off('SIGCONT', enter);
      process.off('exit', leave);
      leave();
    },
  };
}

/** From the top, each line to its end and then what is below: nothing flickers. */
function toPicture(lines: readonly string[], { columns, rows }: Size): string {
  // Behind the last column there is no rest of the line: a terminal would take the last character for it.
  const whole = lines.map((line) => (widthOf(line) < columns ? `${line}${TO_LINE_END}` : line));
  return `${BEGIN}${TOP}${whole.join('\r\n')}${lines.length < rows ? BELOW : ''}${END}`;
}
