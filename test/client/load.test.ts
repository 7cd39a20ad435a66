// Loading a model over a network that loses the answer: the server has done it by then.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
import { type FixtureServer, startFixture } from '../support/fixture-server.ts';
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
  await expect(zeroth.models.load('mlp.onnx', { modelId: 'lost' })).rejects.toMatchObject({
    code: 'ALREADY_EXISTS',
    details: { resource: 'models/lost' },
  });
});

test('loads that are all cut off at once end with one model', async () => {
  await using proxy = await openLossyProxy(fixture.address, { [LOAD]: [1, 2] });
  await using zeroth = connect(proxy.address);
  const [one, other] = await Promise.allSettled(
    [1, 2].map(() => zeroth.models.load('mlp.onnx', { modelId: 'twice' })),
  );
  const loaded = await fixture.zeroth.models.get('models/twice');
  const answers = [one, other].map((end) =>
    end.status === 'fulfilled' ? end.value : end.reason.details.resource,
  );
  for (const answer of answers) expect([loaded, loaded.name]).toContainEqual(answer);
  expect(answers).toContainEqual(loaded);
});
