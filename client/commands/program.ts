// The command line: the commands that there are, what all of them share, and how each ends.
import { Command } from 'commander';
import { ZerothError } from '../../server/errors.ts';
import { VERSION } from '../../server/version.ts';
import { type Apply, applyCommand } from './apply.ts';
import type { Definition } from './command.ts';
import { evalCommand } from './eval.ts';
import { exportCommand } from './export.ts';
import { EXIT, toFailure, toJson, toText } from './failure.ts';
import { addFlags, UsageError } from './flags.ts';
import { readableHelp, topics } from './help.ts';
import { forkCommand, rollbackCommand } from './history.ts';
import { modelCommands } from './models.ts';
import { nearest } from './names.ts';
import { checkNode } from './node-version.ts';
import { print } from './output.ts';
import { perform } from './perform.ts';
import { runCommands } from './runs.ts';
import { trainCommand } from './train.ts';
import { trainingCommands } from './trainings.ts';
import { watchCommand } from './watch.ts';

/** What only the file of the command may import. */
export type Doors = {
  readonly file: string;
  /** `zeroth serve`, whose flags are the server's settings. */
  readonly serve: (args: readonly string[]) => Promise<void>;
  readonly apply: Apply;
};

const SERVE = ['serve', 'start a server; its flags are all of its settings'] as const;

/** Resolves with the exit code; whatever there is to say has been said. */
export async function runProgram(argv: readonly string[], doors: Doors): Promise<number> {
  const isJson = argv.includes('--json');
  if (argv.includes('--no-color')) withoutColors();
  try {
    checkNode(process.versions.node);
    return await dispatch(asked(argv), doors, isJson);
  } catch (error) {
    if (isHelp(error)) return EXIT.done;
    const failure = toFailure(error);
    process.stderr.write(isJson ? toJson(failure) : toText(failure, nameOf(argv, doors)));
    return failure.exit;
  }
}

/** A command that there is not has no help of its own. */
function nameOf(argv: readonly string[], doors: Doors): string {
  const names = [SERVE[0], ...definitionsOf(doors).map(({ usage }) => usage.split(' ')[0])];
  const found = argv.find((each) => !each.startsWith('-'));
  return found !== undefined && names.includes(found) ? `zeroth ${found}` : 'zeroth';
}

/** `help COMMAND` is `COMMAND --help`. */
function asked(argv: readonly string[]): readonly string[] {
  const [first, ...words] = argv;
  if (first !== 'help') return argv;
  return words.length === 1 && Object.hasOwn(topics, words[0]) ? argv : [...words, '--help'];
}

function isHelp(error: unknown): boolean {
  return error instanceof Error && 'exitCode' in error && error.exitCode === 0;
}

async function dispatch(argv: readonly string[], doors: Doors, isJson: boolean): Promise<number> {
  const [first, ...rest] = argv;
  if (first === undefined) throw new UsageError('expected a command, got none');
  if (first === 'serve') return serve(rest, doors);
  if (first === 'help') {
    print(topics[rest[0]]());
    return EXIT.done;
  }
  let code: number | undefined;
  const program = build(async (definition, args, command) => {
    code = await perform(definition, { args, given: command.optsWithGlobals(), file: doors.file, isJson });
  }, doors);
  await program.parseAsync([...argv], { from: 'user' });
  return code ?? EXIT.done;
}

/** A server logs as JSON; that is its document. */
async function serve(args: readonly string[], { serve: start }: Doors): Promise<number> {
  try {
    await start(args.flatMap((each) => (each === '--json' ? ['--log-format', 'json'] : [each])));
    return EXIT.done;
  } catch (error) {
    // Flags, environment and file are one thing to a server: its settings.
    throw error instanceof ZerothError && error.kind === 'invalid-argument'
      ? new UsageError(error.message)
      : error;
  }
}

function withoutColors(): void {
  delete process.env.FORCE_COLOR;
  process.env.NO_COLOR = '1';
}

type Act = (definition: Definition, args: readonly string[], command: Command) => Promise<void>;

export function definitionsOf({ apply }: Pick<Doors, 'apply'>): readonly Definition[] {
  const changes = [exportCommand, applyCommand(apply), forkCommand, rollbackCommand];
  const trainings = [trainCommand, watchCommand, ...trainingCommands];
  return [...modelCommands, ...runCommands, ...trainings, evalCommand, ...changes];
}

function build(act: Act, doors: Doors): Command {
  const program: Command = new Command('zeroth')
    .description('Gradient-free training on a server: models, runs and what becomes of them.')
    .version(VERSION, '--version', 'show the version')
    .helpOption('--help', 'show this')
    .helpCommand(false)
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    // `runs delete --server X` is not `runs --server X`, although both have it.
    .enablePositionalOptions();
  readableHelp(program);
  addOutputFlags(program);
  program.command(SERVE[0]).description(SERVE[1]);
  for (const definition of definitionsOf(doors)) addTo(program, definition, act);
  return program;
}

/** On every command, and before it: they are found on the command line as a whole. */
function addOutputFlags(command: Command): void {
  command.optionsGroup('Output:');
  command.option('--json', 'print for programs: one JSON document, or one a line; errors as JSON, too');
  command.option('--no-color', 'print without colours, as NO_COLOR does');
  command.helpOption('--help', 'show this');
}

/** `models load <FILE>` goes below `models`. */
function addTo(program: Command, definition: Definition, act: Act): void {
  const [, path, parameters] = /^([a-z ]+[a-z])((?: [<[].*)?)$/.exec(definition.usage)!;
  const words = path.split(' ');
  const parent = words.length === 1 ? program : program.commands.find((each) => each.name() === words[0])!;
  const command = parent.command(`${words.at(-1)}${parameters}`).description(definition.does);
  for (const [heading, table] of Object.entries(definition.flags)) addFlags(command, table, `${heading}:`);
  addOutputFlags(command);
  command.addHelpText('after', () => (definition.more === undefined ? '' : `\n${definition.more()}`));
  command.allowExcessArguments().action(async () => {
    const wanted = command.registeredArguments.length;
    if (command.args.length > wanted) throw excess(command, command.args[wanted]);
    await act(definition, command.args, command);
  });
}

/** What was meant for a command of `models` looks to commander like one argument too many. */
function excess(command: Command, got: string): UsageError {
  const inner = command.commands.map((each) => each.name());
  if (inner.length === 0) return new UsageError(`expected no further argument, got ${JSON.stringify(got)}`);
  const [near] = nearest(inner, got);
  return new UsageError(`unknown command ${JSON.stringify(got)} (Did you mean ${near}?)`);
}
