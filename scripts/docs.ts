// The interfaces of zeroth/client, zeroth/local and zeroth/objective as pages: `npm run docs`, into docs/api/build. What of them has no
// words of its own is an error, but for messages: theirs are those of proto/. `--check` writes nothing.
//
// typedoc needs TypeScript 6, the last one with an interface for programs, so both are those of a workspace, docs/api.
import { spawnSync } from 'node:child_process';

const TYPEDOC = 'docs/api/node_modules/typedoc/bin/typedoc';

const [argument] = process.argv.slice(2);
const args = [
  TYPEDOC,
  '--options',
  'docs/api/typedoc.json',
  ...(argument === '--check' ? ['--emit', 'none'] : []),
];
const { status, stdout, stderr } = spawnSync(process.execPath, args, {
  encoding: 'utf8',
  env: { ...process.env, NO_COLOR: '1' },
});

const lines = `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
const isOfMessages = (line: string) => /defined in \S*proto\/gen\/\S*, does not have any/.test(line);
const faults = lines.filter((line) => /^\[(warning|error)\]/.test(line) && !/Found \d+ errors/.test(line));
const found = faults.filter((line) => !isOfMessages(line));
// Messages are among the interfaces: a run that says nothing of them has not looked.
const hasLooked = faults.length > found.length;
for (const line of hasLooked ? found : lines) console.error(line);
if (argument !== '--check' && hasLooked) console.log('docs/api/build/index.html');
process.exitCode = status === 0 && found.length === 0 && hasLooked ? 0 : 1;
