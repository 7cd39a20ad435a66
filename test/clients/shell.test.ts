// docs/clients.md, "From a shell": its blocks are run as they stand there, by buf curl and by grpcurl.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
import { startProblem } from './conformance.ts';
import { prepare } from './toolchain.ts';

const STEPS = 25;
const [withBuf, withGrpcurl, ...others] = blocks();

const ways = [
  { name: 'buf curl', call: withBuf, programs: [], steps: [] },
  {
    name: 'grpcurl',
    call: withGrpcurl,
    programs: ['go'],
    steps: [
      {
        kind: 'fetch',
        command: ['go', 'install', 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3'],
        env: { GOBIN: '{folder}' },
      },
    ],
  },
] as const;

function blocks(): string[] {
  const [, section] = readFileSync('docs/clients.md', 'utf8').split('## From a shell\n');
  return [...section.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block);
}

describe.each(ways)('from a shell with $name', ({ name, call, programs, steps }) => {
  let server: Awaited<ReturnType<typeof startProblem>>;
  beforeAll(async () => {
    server = await startProblem();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('a model is tuned by MeZO, and each step is what its losses say', async ({ skip }) => {
    const prepared = await prepare({
      name: name.replace(' ', '-'),
      programs: ['bash', 'jq', 'perl', 'awk', ...programs],
      inputs: [],
      steps,
    });
    if ('why' in prepared) return skip(prepared.why);
    const script = ['set -euo pipefail', call, ...others]
      .join('\n')
      .replaceAll('127.0.0.1:50051', server.address);
    const env = { ...process.env, PATH: `${prepared.folder}:${process.env.PATH}` };
    const { stdout } = await promisify(execFile)('bash', ['-c', script], { env, timeout: 300_000 });

    const lines = stdout.trimEnd().split('\n');
    const losses = lines.flatMap((line) => [...line.matchAll(/^step \d+: (\S+) (\S+)$/g)]);
    const pairs = losses.map(([, plus, minus]) => [Number(plus), Number(minus)]);
    expect(pairs).toHaveLength(STEPS);
    expect(pairs[STEPS - 1][0]).toBeLessThan(pairs[0][0]);

    await using zeroth = connect(server.address);
    const entries = await Array.fromAsync(zeroth.journal.list('runs/shell'));
    expect(entries.map(({ requestId, change }) => [requestId, change?.value])).toEqual(
      pairs.map(([plus, minus], i) => {
        const shifts = [{ seed: BigInt(i + 1), scale: (-0.05 * (plus - minus)) / 0.002 }];
        return [`mezo/${i + 1}`, { shifts }];
      }),
    );
    expect(lines.at(-1)).toBe((await zeroth.journal.verify('runs/shell')).weightsSha256);
  }, 600_000);
});
