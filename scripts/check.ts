// Everything that a machine can say about the source, one line each: npm run check.
import { spawnSync } from 'node:child_process';

type Check = { readonly name: string; readonly command: readonly string[] };

const checks: readonly Check[] = [
  { name: 'types', command: ['tsc', '--project', 'tsconfig.json'] },
  { name: 'format and lint', command: ['biome', 'check', '--error-on-warnings', '.'] },
  { name: 'promise safety', command: ['oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'dead code', command: ['knip'] },
  { name: 'contract', command: ['buf', 'lint'] },
  { name: 'generated code', command: ['node', 'scripts/generate.ts', '--check'] },
  { name: 'options in the docs', command: ['node', 'scripts/strategy-tables.ts', '--check'] },
  { name: 'documentation', command: ['node', 'scripts/docs.ts', '--check'] },
  { name: 'doors', command: ['vitest', 'run', 'test/doors.test.ts'] },
];

let failed = 0;
for (const { name, command } of checks) {
  const [program, ...args] = command;
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name}`);
  if (status === 0) continue;
  failed++;
  console.log(`${command.join(' ')}\n${stdout}${stderr}`);
}
console.log(`${checks.length - failed} checks passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
