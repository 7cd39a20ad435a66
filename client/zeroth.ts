#!/usr/bin/env node
// The `zeroth` command. It is where client and server meet: the one file of the client that imports
// from the server's rooms, and it does so only when a command asks for it.

const USAGE = `Usage: zeroth COMMAND

Commands:
  serve [flags]   start a server; zeroth serve --help lists the flags

Options:
  --help          show this
  --version       show the version
`;

/** Resolves with the exit code. */
async function command([name, ...args]: readonly string[]): Promise<number> {
  switch (name) {
    case 'serve': {
      const { main } = await import('../server/main.ts');
      await main(args);
      return 0;
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
