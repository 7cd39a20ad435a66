// One command from its flags to its end, in order or by an interrupt.
import type { Context, Definition } from './command.ts';
import { CommandError, EXIT, toFailure } from './failure.ts';
import { valuesOf } from './flags.ts';
import { namingField } from './server-words.ts';

type Performance = {
  readonly args: readonly string[];
  readonly given: Readonly<Record<string, unknown>>;
  /** Of the zeroth command. */
  readonly file: string;
  readonly isJson: boolean;
};

/** The first interrupt asks for an end in order, the next one ends the process. */
export async function perform(definition: Definition, { args, given, file, isJson }: Performance) {
  const controller = new AbortController();
  const { signal } = controller;
  const interrupted = new CommandError({
    exit: EXIT.interrupted,
    code: 'CANCELLED',
    reason: 'INTERRUPTED',
    message: 'interrupted',
  });
  const interrupt = () => {
    if (signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(interrupted);
  };
  const names = definition.endsInOrder ? (['SIGINT', 'SIGTERM'] as const) : [];
  for (const name of names) process.on(name, interrupt);
  const context: Context = { file, env: process.env, signal, isJson };
  const flags = Object.assign({}, ...Object.values(definition.flags).map((table) => valuesOf(table, given)));
  try {
    const code = await definition.run({ args, flags }, context);
    return signal.aborted ? EXIT.interrupted : code;
  } catch (error) {
    if (signal.aborted && toFailure(error).code === 'CANCELLED') throw interrupted;
    throw inWordsOf(definition, error);
  } finally {
    for (const name of names) process.off(name, interrupt);
  }
}

/** What somebody has typed, where the server names a field of the request. */
function inWordsOf({ usage, fields }: Definition, error: unknown): unknown {
  const [, argument = 'NAME'] = /[<[](\w+)/.exec(usage) ?? [];
  const failure = toFailure(error);
  const message = namingField(failure.message, { name: argument, ...fields });
  return message === failure.message ? error : new CommandError({ ...failure, message }, error);
}
