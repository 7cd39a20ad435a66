// Loading a model over a network that loses the answer: the server has done it by then.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
import { type FixtureServer, startFixture, tinyModel } from '../support/fixture-server.ts';
import { openLossyProxy } from '../support/lossy-proxy.ts';

const LOAD = '/zeroth.v1.ModelService/LoadModel';

let fixture: FixtureServer;
beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

test('a model whose answer was lost is the one that was loaded, and is loaded once', async () => {
  await using proxy = await openLossyProxy(fixture.address, { [LOAD]: [1] });
  await using zeroth = connect(proxy.address);
  const model = await zeroth.models.load('mlp.onnx', { modelId: 'lost' });
  expect(proxy.lost).toEqual([LOAD]);
  expect(proxy.calls.get(LOAD)).toBe(2);
  expect(model).toEqual(await fixture.zeroth.models.get('models/lost'));
});

test('a model that is there is that one, and a model of another file is not', async () => {
  const { zeroth } = fixture;
  const model = await zeroth.models.load('mlp.onnx', { modelId: 'here' });
  expect(await zeroth.models.load('mlp.onnx', { modelId: 'here' })).toEqual(model);
  await writeFile(join(fixture.modelDir, 'other.onnx'), tinyModel());
  await expect(zeroth.models.load('other.onnx', { modelId: 'here' })).rejects.toMatchObject({
    code: 'ALREADY_EXISTS',
    details: { resource: 'models/here' },
  });
});

test('loads that are all cut off at once end with one model', async () => {
  await using proxy = await openLossyProxy(fixture.address, { [LOAD]: [1, 2] });
  await using zeroth = connect(proxy.address);
  const models = await Promise.all([1, 2].map(() => zeroth.models.load('mlp.onnx', { modelId: 'twice' })));
  const loaded = await fixture.zeroth.models.get('models/twice');
  expect(models).toEqual([loaded, loaded]);
});
