// How --help reads: what there is before how it is said, and nothing wider than 80 columns.
import type { Command, Help } from 'commander';
import { EXIT_CODES } from './failure.ts';
import { WIDTH } from './flow.ts';
import { describeStrategies } from './train/strategy-flags.ts';

const ENVIRONMENT = `Environment:
  ZEROTH_SERVER            the server, as --server
  ZEROTH_TLS=on, ZEROTH_TLS_CA, ZEROTH_TOKEN_FILE
                           how it is reached, as --tls, --tls-ca, --token-file
  NO_COLOR, FORCE_COLOR    no colours; colours where there is no terminal, too
  ZEROTH_PORT, ZEROTH_...  settings of zeroth serve, which lists them
`;

/** What `zeroth help TOPIC` prints. */
export const topics: Readonly<Record<string, () => string>> = {
  'exit-codes': () => EXIT_CODES,
  environment: () => ENVIRONMENT,
  strategies: () => `Strategies, with their options and defaults (zeroth train --set OPTION=VALUE):
${describeStrategies(WIDTH)}`,
};

const HELP_ON_HELP = 'zeroth help COMMAND is zeroth COMMAND --help; zeroth help strategies lists them.\n';

/** Where no terminal says how wide it is commander takes 80 columns. */
export function readableHelp(program: Command): void {
  program.configureHelp({
    subcommandTerm: (command) => [command.name(), innerOf(command), argumentsOf(command)].join('').trim(),
    commandUsage: (command) =>
      `${pathOf(command)} ${argumentsOf(command)}${command === program ? 'COMMAND ' : ''}[FLAGS]`,
  });
  const usual = program.createHelp();
  program.configureHelp({
    ...program.configureHelp(),
    formatHelp: (command, helper) =>
      command === program ? overview(command, helper) : usual.formatHelp(command, helper),
  });
}

/** The commands first: they are what somebody looks for who does not know them. */
function overview(program: Command, helper: Help): string {
  const width = helper.padWidth(program, helper);
  const list = (items: readonly (readonly [string, string])[]) =>
    items.map(([term, text]) => helper.formatItem(term, width, text, helper)).join('\n');
  const commands = helper.visibleCommands(program);
  const options = helper.visibleOptions(program);
  return [
    `Usage: ${helper.commandUsage(program)}\n\n${program.description()}`,
    `Commands:\n${list(commands.map((each) => [helper.subcommandTerm(each), each.description()]))}`,
    `Flags:\n${list(options.map((each) => [helper.optionTerm(each), helper.optionDescription(each)]))}`,
    EXIT_CODES.trimEnd(),
    ENVIRONMENT.trimEnd(),
    HELP_ON_HELP,
  ].join('\n\n');
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** `models [load|unload|show]`. */
function innerOf({ commands }: Command): string {
  return commands.length === 0 ? ' ' : ` [${commands.map((each) => each.name()).join('|')}] `;
}

/** `NAME `, `[NAME] `. */
function argumentsOf({ registeredArguments }: Command): string {
  return registeredArguments
    .map((each) => (each.required ? `${each.name()} ` : `[${each.name()}] `))
    .join('');
}
