// The line of a call says what the call was about.
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
import { loadConfig } from '../../server/config.ts';
import { startServer } from '../../server/main.ts';
import { OBJECTIVE, tinyData } from '../support/fixture-server.ts';
import { temporaryFolder } from '../support/server-process.ts';
import { prepareFolder, refusal } from './wire.ts';

test('every call that names something notes it in the log, refused or not', async () => {
  await using folder = await temporaryFolder();
  await prepareFolder(folder.path);
  const flags = ['--port', '0', '--data-dir', ':memory:', '--threads', '1'];
  const config = loadConfig([...flags, '--model-dir', `${folder.path}/models`], {});
  const lines: Record<string, unknown>[] = [];
  const output = new Writable({
    write(line, _, done) {
      lines.push(JSON.parse(String(line)));
      done();
    },
  });
  const server = await startServer(config, pino(output));
  await using zeroth = connect(`127.0.0.1:${server.port}`);
  const lineOf = async (method: string, call: Promise<unknown>) => {
    await call;
    return lines.findLast((line) => String(line.method).endsWith(`/${method}`));
  };

  const { name: model } = await zeroth.models.load('mlp.onnx');
  const { name: run } = await zeroth.runs.create({ model, runId: 'r', objective: OBJECTIVE });
  const { name: dataset } = (await zeroth.datasets.create(tinyData())).dataset;
  const { name: snapshot } = await zeroth.runs.snapshot(run, 's', 0n);
  expect(await lineOf('GetModel', zeroth.models.get(model))).toMatchObject({ model });
  expect(await lineOf('GetRun', zeroth.runs.get(run))).toMatchObject({ run });
  expect(await lineOf('GetDataset', zeroth.datasets.get(dataset))).toMatchObject({ dataset });
  expect(await lineOf('DeleteSnapshot', zeroth.runs.deleteSnapshot(snapshot))).toMatchObject({
    run,
    snapshot: 's',
  });
  expect(await lineOf('UnloadModel', refusal(zeroth.models.unload(model)))).toMatchObject({
    model,
    reason: 'MODEL_IN_USE',
  });
  expect(await lineOf('DeleteDataset', zeroth.datasets.delete(dataset))).toMatchObject({ dataset });
  expect(await lineOf('DeleteDataset', refusal(zeroth.datasets.delete(dataset)))).toMatchObject({
    dataset,
    reason: 'NOT_FOUND',
  });
  await server.close();
});
