// One line a call, and what the process does besides. JSON for machines, pretty on a terminal.
import { type Logger, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';

export type Log = Logger;

export type LogOptions = { readonly logLevel: string; readonly logFormat: 'auto' | 'json' | 'pretty' };

/** Logs go to standard output. bigint has no JSON form: seeds are logged as strings by whoever logs them. */
export function openLog(options: LogOptions, output: NodeJS.WriteStream = process.stdout): Log {
  const pretty = options.logFormat === 'pretty' || (options.logFormat === 'auto' && output.isTTY);
  const settings = { level: options.logLevel, base: null };
  if (!pretty) return pino(settings, output);
  const colorize = output.isTTY && !process.env.NO_COLOR;
  return pino(
    settings,
    PinoPretty({ colorize, translateTime: 'HH:MM:ss.l', singleLine: true, destination: output }),
  );
}
