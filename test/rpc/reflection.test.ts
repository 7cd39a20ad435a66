// Tools that have no .proto files: buf curl over reflection, and the standard health service.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
import { HealthCheckResponse_ServingStatus, HealthClient } from '../../proto/gen/grpc/health/v1/health.ts';
import {
  type ServerReflectionRequest,
  ServerReflectionClient as V1,
} from '../../proto/gen/grpc/reflection/v1/reflection.ts';
import { ServerReflectionClient as V1Alpha } from '../../proto/gen/grpc/reflection/v1alpha/reflection.ts';
import { methods } from '../support/contract.ts';
import { OBJECTIVE, ROWS, tinyData } from '../support/fixture-server.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';
import { everyRow, near, prepareFolder, shift } from './wire.ts';

const SERVICES = [...new Set(methods.map(({ path }) => path.split('/')[1]))];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: ServerProcess;
let dataset: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  await prepareFolder(folder.path);
  server = await startServerProcess(folder.path);
  await using zeroth = connect(server.address);
  const { name: model } = await zeroth.models.load('mlp.onnx');
  dataset = (await zeroth.datasets.create(tinyData())).dataset.name;
  await zeroth.runs.create({ model, runId: 'curled', objective: OBJECTIVE });
});
afterAll(async () => {
  await server.stop();
  await folder[Symbol.asyncDispose]();
});

/** What `buf curl` prints, with no schema but the server's own. */
async function curl(method: string, request: object, scope = 'zeroth.v1'): Promise<Record<string, unknown>> {
  const url = `http://${server.address}/${scope}.${method}`;
  const flags = ['--protocol', 'grpc', '--http2-prior-knowledge', '--data', JSON.stringify(request)];
  const { stdout } = await promisify(execFile)('node_modules/.bin/buf', ['curl', ...flags, url]);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('buf curl', () => {
  test('asks who the server is', async () => {
    expect(await curl('ServerService/GetServerInfo', {})).toMatchObject({ noiseSpecs: ['noise/1'] });
  });

  test('asks whether it is up', async () => {
    expect(await curl('Health/Check', {}, 'grpc.health.v1')).toEqual({ status: 'SERVING' });
  });

  test('perturbs, evaluates, updates', async () => {
    const run = 'runs/curled';
    const point = { shifts: [{ seed: '18446744073709551615', scale: 0.001 }] };
    const batch = { dataset: { dataset } };
    const evaluated = await curl('OracleService/Evaluate', { run, points: [{}, point], batch });
    await using zeroth = connect(server.address);
    const { results } = await zeroth.oracle.evaluate({
      run,
      points: [near(), near(shift(2n ** 64n - 1n, 1e-3))],
      batch: everyRow(dataset),
    });
    expect(evaluated).toMatchObject({
      results: results.map(({ loss }) => ({ loss, finite: true, examples: String(ROWS) })),
    });
    const update = { run, shifts: [{ seed: '7', scale: 0.5 }], expectedRevision: '0' };
    expect(await curl('OracleService/Update', update)).toEqual({ revision: '1', head: '1' });
  });

  test('reads the details of an error', async () => {
    const call = curl('OracleService/Update', { run: 'runs/curled', shifts: [{ seed: '7', scale: 0.5 }] });
    const { stderr } = await call.then(
      () => ({ stderr: '' }),
      (error: { stderr: string }) => error,
    );
    const { code, message, details } = JSON.parse(stderr.slice(stderr.indexOf('{'))) as {
      code: string;
      message: string;
      details: { type: string; debug?: object }[];
    };
    expect(code).toBe('invalid_argument');
    expect(message).toBe('request_id: expected a request_id or an expected_revision, got neither');
    expect(details.map(({ type }) => type)).toEqual(['google.rpc.ErrorInfo', 'google.rpc.BadRequest']);
  });
});

describe.each([
  ['v1', V1],
  ['v1alpha', V1Alpha],
])('reflection %s', (_, Client) => {
  /** Answers to several requests on one stream. */
  async function ask(...requests: NonNullable<ServerReflectionRequest['messageRequest']>[]) {
    const client = new Client(server.address, credentials.createInsecure());
    const call = client.serverReflectionInfo();
    for (const messageRequest of requests) call.write({ host: '', messageRequest });
    call.end();
    const answers = await Array.fromAsync(call as AsyncIterable<{ messageResponse: unknown }>);
    client.close();
    return answers.map(({ messageResponse }) => messageResponse);
  }

  test('lists every service', async () => {
    const [answer] = await ask({ $case: 'listServices', value: '' });
    const { service } = (answer as { value: { service: { name: string }[] } }).value;
    expect(service.map(({ name }) => name)).toEqual(expect.arrayContaining(SERVICES));
  });

  test('finds files by name and by what is in them', async () => {
    const file = { $case: 'fileByFilename', value: 'zeroth/v1/oracle_service.proto' } as const;
    const symbols = ['zeroth.v1.OracleService', 'zeroth.v1.OracleService.Step', 'zeroth.v1.StepRequest'];
    const [byName, ...bySymbol] = await ask(
      file,
      ...symbols.map((value) => ({ $case: 'fileContainingSymbol', value }) as const),
    );
    expect(byName).toMatchObject({ $case: 'fileDescriptorResponse' });
    for (const answer of bySymbol) expect(answer).toEqual(byName);
  });

  test('says what it does not have', async () => {
    const [answer] = await ask({ $case: 'fileContainingSymbol', value: 'zeroth.v1.None' });
    expect(answer).toEqual({
      $case: 'errorResponse',
      value: { errorCode: 5, errorMessage: 'no such symbol or file' },
    });
  });
});

describe('health', () => {
  test('has every service of the contract', () => {
    expect(SERVICES).toContain('zeroth.v1.StudyService');
    expect(SERVICES).toHaveLength(9);
  });

  test.each(['', ...SERVICES])('of %j is SERVING', async (service) => {
    expect(await check(service)).toBe(HealthCheckResponse_ServingStatus.SERVING);
  });

  test('of a service that is not there is NOT_FOUND', async () => {
    await expect(check('zeroth.v1.None')).rejects.toMatchObject({ code: 5 });
  });

  async function check(service: string): Promise<HealthCheckResponse_ServingStatus> {
    const client = new HealthClient(server.address, credentials.createInsecure());
    try {
      return await new Promise((resolve, reject) =>
        client.check({ service }, (error, answer) =>
          error === null ? resolve(answer.status) : reject(error),
        ),
      );
    } finally {
      client.close();
    }
  }
});
