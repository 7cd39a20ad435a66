// What documents have for a shell, run as it stands there: docs/clients.md by buf curl and by grpcurl, README.md by buf curl.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
import { data, MODEL } from '../../examples/typescript/mezo-svrg.ts';
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

test('what README.md has for a shell answers as the contract says', async () => {
  await using server = await startProblem();
  await using zeroth = connect(server.address);
  const { name: model } = await zeroth.models.load(MODEL);
  const { dataset } = await zeroth.datasets.create(data());
  await zeroth.runs.create({ model, runId: 'first', objective: { name: 'cross_entropy' } });
  const [info, evaluation, ...others] = [
    ...readFileSync('README.md', 'utf8').matchAll(/```sh\n(npx buf curl .*?)```/gs),
  ].map(([, command]) =>
    command.replace('127.0.0.1:50051', server.address).replace('datasets/<sha256>', dataset.name),
  );
  expect(others).toEqual([]);
  const answerOf = async (command: string) =>
    JSON.parse((await promisify(execFile)('bash', ['-c', command])).stdout) as unknown;
  expect(await answerOf(info)).toMatchObject({ noiseSpecs: ['noise/1'] });
  const batch = { source: { $case: 'dataset', value: { dataset: dataset.name } } } as const;
  const points = [{ shifts: [{ seed: 1n, scale: 1e-3 }] }];
  const { results } = await zeroth.oracle.evaluate({ run: 'runs/first', points, batch });
  expect(await answerOf(evaluation)).toMatchObject({ results: [{ loss: results[0].loss }] });
});
