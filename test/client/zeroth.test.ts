import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { VERSION } from '../../server/version.ts';

const COMMAND = fileURLToPath(new URL('../../client/zeroth.ts', import.meta.url));

function zeroth(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr: stderr.split('\n')[0] };
}

describe('the zeroth command', () => {
  it('--version and --help answer on standard output', () => {
    expect(zeroth('--version')).toEqual({ status: 0, stdout: `${VERSION}\n`, stderr: '' });
    expect(zeroth('--help').stdout).toMatch(/^Usage: zeroth COMMAND\n/);
  });

  it('a command that there is not ends with 2 and says what there is', () => {
    expect(zeroth('trian')).toEqual({
      status: 2,
      stdout: '',
      stderr: 'zeroth: got the unknown command "trian"',
    });
    expect(zeroth()).toEqual({ status: 2, stdout: '', stderr: 'zeroth: got no command' });
  });
});
