// What went wrong, as an exit code, a sentence, and what to do next: the one table.
import { CommanderError } from 'commander';
import { type ErrorKind, ZerothError } from '../../server/errors.ts';
import { type StatusName, ZerothCallError } from '../errors.ts';
import { UsageError } from './flags.ts';
import { idOf, runOf } from './names.ts';
import { inCommandsWords } from './server-words.ts';

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  denied: 5,
  interrupted: 130,
} as const;

export const EXIT_CODES = `Exit codes:
  0    done
  1    failed
  2    the command line is wrong
  3    no server answers, or it is not ready
  4    refused: what was named is not there; a file, a row or a value is wrong
  5    the server asks for a token, or does not let this one do it
  130  interrupted, by Ctrl-C or SIGTERM; of watch: or the training was stopped
`;

export type Failure = {
  readonly exit: number;
  /** That of gRPC, whoever said it; USAGE of a wrong command line. */
  readonly code: StatusName | 'USAGE';
  readonly reason: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** What to do. */
  readonly next?: string | undefined;
};

/** A failure that the command itself has found; or another one, with what to do about it. */
export class CommandError extends Error {
  readonly failure: Failure;

  constructor(failure: Partial<Failure> & { readonly message: string }, cause?: unknown) {
    super(failure.message, { cause });
    this.name = 'CommandError';
    this.failure = { exit: EXIT.failed, code: 'UNKNOWN', reason: '', details: {}, ...failure };
  }
}

/** The same error with what to do next. */
export function withNext(error: unknown, next: string | undefined): unknown {
  return next === undefined ? error : new CommandError({ ...toFailure(error), next }, error);
}

/** Refused before a server was asked. */
const localCodes: Partial<Record<ErrorKind, StatusName>> = {
  'invalid-argument': 'INVALID_ARGUMENT',
  'not-found': 'NOT_FOUND',
  'data-loss': 'DATA_LOSS',
};

const exits: Partial<Record<StatusName, number>> = {
  CANCELLED: EXIT.interrupted,
  UNAVAILABLE: EXIT.unreachable,
  UNAUTHENTICATED: EXIT.denied,
  PERMISSION_DENIED: EXIT.denied,
  NOT_FOUND: EXIT.refused,
  ALREADY_EXISTS: EXIT.refused,
  INVALID_ARGUMENT: EXIT.refused,
  FAILED_PRECONDITION: EXIT.refused,
  OUT_OF_RANGE: EXIT.refused,
  UNIMPLEMENTED: EXIT.refused,
};

export function toFailure(error: unknown): Failure {
  if (error instanceof CommandError) return error.failure;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UsageError) return usage(message);
  if (error instanceof CommanderError) return usage(message.replace(/^error: /, '').replace(/\n\(/, ' ('));
  if (error instanceof ZerothCallError) return fromCall(error);
  if (!(error instanceof ZerothError)) return fromSystem(error, message);
  const code = localCodes[error.kind] ?? 'UNKNOWN';
  const reason = error.kind.toUpperCase().replaceAll('-', '_');
  return { exit: exits[code] ?? EXIT.failed, code, reason, message, details: { ...error.details } };
}

/** A file that is not there or not to be had is refused; anything else has failed. */
function fromSystem(error: unknown, message: string): Failure {
  const { code: reason = '', path } = (error instanceof Error ? error : {}) as NodeJS.ErrnoException;
  const found = Object.hasOwn(files, reason) && path !== undefined ? files[reason] : undefined;
  if (found === undefined) return { exit: EXIT.failed, code: 'UNKNOWN', reason, message, details: {} };
  const [code, what] = found;
  return { exit: EXIT.refused, code, reason, message: `${path}: ${what}`, details: { path } };
}

const files: Readonly<Record<string, readonly [StatusName, string]>> = {
  ENOENT: ['NOT_FOUND', 'there is no such file'],
  ENOTDIR: ['NOT_FOUND', 'there is no such file'],
  EISDIR: ['INVALID_ARGUMENT', 'expected a file, got a folder'],
  EACCES: ['FAILED_PRECONDITION', 'this user may not read or write it'],
};

function usage(message: string): Failure {
  return { exit: EXIT.usage, code: 'USAGE', reason: '', message, details: {} };
}

/** Of the details what there is. */
function fromCall({ code, reason, message, details }: ZerothCallError): Failure {
  const { reason: _, metadata, violations, ...others } = details;
  const facts = {
    ...(Object.keys(metadata).length > 0 && { metadata }),
    ...(violations.length > 0 && { violations }),
    ...others,
  };
  const next = reasonNext[reason]?.(details.resource ?? 'NAME') ?? codeNext[code];
  const exit = exits[code] ?? EXIT.failed;
  return { exit, code, reason, message: inCommandsWords(message), details: facts, next };
}

/** @param name of what failed, whatever it is. */
const reasonNext: Readonly<Record<string, (name: string) => string>> = {
  MODEL_NOT_LOADED: (name) =>
    `zeroth models load FILE --id ${idOf(name)} brings it back, and its runs with it`,
  MODEL_IN_USE: (name) =>
    `zeroth models unload ${name} --force unloads it all the same; its runs keep their journals`,
  RUN_FAILED: (name) => `zeroth rollback ${name} --to REVISION takes the run back to where it was well`,
  WEIGHTS_OUT_OF_RANGE: (name) =>
    `zeroth rollback ${name} --to REVISION takes the run back to where it was well`,
  RUN_IN_TRAINING: (name) => `zeroth watch ${name} shows the training, zeroth stop ${name} ends it`,
  TRAINING_STATE: (name) => `zeroth train --run ${runOf(name)} goes on with its run in a new training`,
  LOADING: () => 'the server is still loading; try again in a moment',
};

const codeNext: Partial<Record<StatusName, string>> = {
  UNAUTHENTICATED: '--token-file FILE, or ZEROTH_TOKEN_FILE, names a file with a token that the server knows',
  UNAVAILABLE: 'the server went away; zeroth models shows whether it is there again',
};

/** For people: the sentence, and what to do below it. @param name of the command. */
export function toText({ message, next, exit }: Failure, name: string): string {
  const what = next ?? (exit === EXIT.usage ? `${name} --help says what there is` : undefined);
  return `${name}: ${message}\n${what === undefined ? '' : `${what}\n`}`;
}

/** For programs: one line. */
export function toJson({ code, reason, message, details, next }: Failure): string {
  return `${JSON.stringify({ error: { code, reason, message, details: { ...details, next } } })}\n`;
}
