// An objective of the operator over a kill and a restart: its run comes back whatever has become of the file, and the log says what has.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { connect } from '../../client/client.ts';
import { toBatch } from '../../client/convert.ts';
import { prepareFolder, refusal } from '../rpc/wire.ts';
import { tinyData } from '../support/fixture-server.ts';
import { moduleOf, objectiveFolder } from '../support/objective-files.ts';
import { startServerProcess, temporaryFolder } from '../support/server-process.ts';

const constant = (value: number) => moduleOf(`return Array(rows).fill(${value});`);

test('a run outlives its objective: other content is told, and a file that is gone costs evaluations alone', async () => {
  await using folder = await temporaryFolder();
  await prepareFolder(folder.path);
  const objectives = await objectiveFolder(folder.path, { 'fixed.ts': constant(1) });
  const flags = ['--objective-dir', objectives];

  const first = await startServerProcess(folder.path, flags);
  await using before = connect(first.address);
  const { name: model } = await before.models.load('mlp.onnx');
  const { dataset } = await before.datasets.create(tinyData());
  const { name: run, objectiveSha256 } = await before.runs.create({
    model,
    objective: { name: 'custom/fixed' },
  });
  await before.oracle.update({ run, requestId: 'first', shifts: [{ seed: 1n, scale: 0.1 }] });
  await first.kill();

  const restarted = async () => {
    const server = await startServerProcess(folder.path, flags);
    const zeroth = connect(server.address);
    const { state, revision, objectiveSha256: digest } = await zeroth.runs.get(run);
    const evaluation = zeroth.oracle.evaluate({ run, points: [{}], batch: toBatch(dataset.name) });
    const answer = await evaluation.then(
      ({ results }) => results[0].loss,
      () => refusal(evaluation),
    );
    const { weightsSha256 } = await zeroth.journal.verify(run);
    const warnings = server.log.filter(({ level, run: of }) => level === 40 && of === run);
    await zeroth.close();
    await server.stop();
    return { state, revision, digest, answer, weightsSha256, warnings };
  };

  const same = await restarted();
  expect(same).toMatchObject({ revision: 1n, digest: objectiveSha256, answer: 1, warnings: [] });

  await writeFile(join(objectives, 'fixed.ts'), constant(2));
  const changed = await restarted();
  expect(changed).toEqual({ ...same, answer: 2, warnings: changed.warnings });
  expect(changed.warnings).toMatchObject([
    { objective: 'custom/fixed', expected: objectiveSha256, got: expect.stringMatching(/^.{64}$/) },
  ]);

  await rm(join(objectives, 'fixed.ts'));
  const gone = await restarted();
  expect(gone).toMatchObject({
    ...same,
    answer: { code: 'UNIMPLEMENTED' },
    warnings: [{ expected: objectiveSha256 }],
  });
});
