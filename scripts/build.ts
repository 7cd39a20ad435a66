// The same source as JavaScript, with the compiled kernel beside it: `npm run build`, in dist/ or in a folder that does
// not exist yet.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? 'dist';
if (folder === 'dist') rmSync(folder, { recursive: true, force: true });
execFileSync('tsc', ['--project', 'tsconfig.build.json', '--outDir', folder], { stdio: 'inherit' });
cpSync('server/kernel/build', join(folder, 'server/kernel/build'), { recursive: true });
chmodSync(join(folder, 'client/zeroth.js'), 0o755);
