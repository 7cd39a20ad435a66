#!/usr/bin/env node
// The `zeroth` command. With `local.ts` it is where client and server meet: what the server does is imported here
// (`server/main.ts`, `server/apply.ts`), and only when a command asks for it.
import { fileURLToPath } from 'node:url';
import { runProgram } from './commands/program.ts';
import { checkServerPackages } from './server-packages.ts';

/** A server that another process started for itself, with a channel to it, ends with that process. */
function endWithParent(): void {
  if (process.channel === undefined) return;
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}

// What libraries will have to change is for who builds this command, not for who uses it.
process.noDeprecation = true;

// Whoever reads what is printed may have read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await runProgram(process.argv.slice(2), {
  file: fileURLToPath(import.meta.url),
  async serve(args) {
    endWithParent();
    checkServerPackages();
    const { main } = await import('../server/main.ts');
    await main([...args]);
  },
  async apply(request) {
    const { applyJournal } = await import('../server/apply.ts');
    return applyJournal(request);
  },
});
