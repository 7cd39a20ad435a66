// dist/: the same source as JavaScript, with the compiled kernel beside it. npm run build.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
execFileSync('tsc', ['--project', 'tsconfig.build.json'], { stdio: 'inherit' });
cpSync('server/kernel/build', 'dist/server/kernel/build', { recursive: true });
chmodSync('dist/client/zeroth.js', 0o755);
