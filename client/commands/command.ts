// What a command of `zeroth` is: its words, its flags, and what it does. `program.ts` makes them one command line.
import type { Flag, Values } from './flags.ts';
import type { Fields } from './server-words.ts';

type Table = Readonly<Record<string, Flag>>;

/** Headings of --help, and the flags below each. */
export type FlagGroups = Readonly<Record<string, Table>>;

type Union<Groups extends FlagGroups> = Groups[keyof Groups];

/** Values of the flags of all groups together. */
export type GroupValues<Groups extends FlagGroups> = {
  readonly [Name in KeysOf<Union<Groups>>]: ValueOf<Union<Groups>, Name>;
};

type KeysOf<Tables> = Tables extends Table ? keyof Tables : never;

type ValueOf<Tables, Name extends PropertyKey> = Tables extends Table
  ? Name extends keyof Tables
    ? Values<Tables>[Name]
    : never
  : never;

/** What the command knows of the process that it runs in. */
export type Context = {
  /** The file of the zeroth command, which also starts servers. */
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts on Ctrl-C, where the command says that it ends in order. */
  readonly signal: AbortSignal;
  readonly isJson: boolean;
};

export type Definition<Groups extends FlagGroups = FlagGroups> = {
  /** `rollback <NAME>`, as commander has it; `models load <FILE>` is a command of `models`. */
  readonly usage: string;
  readonly does: string;
  readonly flags: Groups;
  /** Flags and arguments by the fields of requests that they set. `name` is the argument, unless this says otherwise. */
  readonly fields?: Fields;
  /** Below the flags in --help. */
  readonly more?: () => string;
  /** Whether Ctrl-C is heard by the command; otherwise it ends the process. */
  readonly endsInOrder?: boolean;
  /** @returns the exit code, where it is not 0. */
  // A method and not a property: a list of definitions has flags of all kinds.
  run(
    given: { readonly args: readonly string[]; readonly flags: GroupValues<Groups> },
    context: Context,
  ): Promise<number | undefined>;
};

export function command<Groups extends FlagGroups>(definition: Definition<Groups>): Definition {
  return definition as unknown as Definition;
}
