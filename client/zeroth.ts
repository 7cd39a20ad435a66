#!/usr/bin/env node
// The `zeroth` command. It is where client and server meet: the one file of the client that imports
// from the server's rooms, and it does so only when a command asks for it.
import { fileURLToPath } from 'node:url';

const USAGE = `Usage: zeroth COMMAND

Commands:
  train [flags]   tune a language model on the rows of a file; zeroth train --help
  serve [flags]   start a server; zeroth serve --help lists the flags
  apply [flags]   the tuned model from a model and a journal; zeroth apply --help

Options:
  --help          show this
  --version       show the version
`;

/** A server that another process started for itself, with a channel to it, ends with that process. */
function endWithParent(): void {
  if (process.channel === undefined) return;
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}

/** Resolves with the exit code. */
async function command([name, ...args]: readonly string[]): Promise<number> {
  switch (name) {
    case 'train': {
      const { trainCommand } = await import('./commands/train.ts');
      return trainCommand(args, fileURLToPath(import.meta.url));
    }
    case 'serve': {
      endWithParent();
      const { main } = await import('../server/main.ts');
      await main(args);
      return 0;
    }
    case 'apply': {
      const { apply } = await import('../server/apply.ts');
      return apply(args);
    }
    case '--version': {
      const { VERSION } = await import('../server/version.ts');
      process.stdout.write(`${VERSION}\n`);
      return 0;
    }
    case '--help':
      process.stdout.write(USAGE);
      return 0;
    default: {
      const got = name === undefined ? 'no command' : `the unknown command ${JSON.stringify(name)}`;
      process.stderr.write(`zeroth: got ${got}\n\n${USAGE}`);
      return 2;
    }
  }
}

try {
  process.exitCode = await command(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`zeroth: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
