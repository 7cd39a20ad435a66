// zeroth/objective, as a folder of objectives has it.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tinyModel } from '../support/fixture-server.ts';
import { PackedApp } from '../support/packed-app.ts';
import { startServerProcess } from '../support/server-process.ts';

/** As docs/objectives.md has it. */
const IN_TYPESCRIPT = `
import type { ExampleObjective } from 'zeroth/objective';

const objective: ExampleObjective<{ output: 'float32' }, { labels: 'int64' }> = {
  outputs: { output: { dataType: 'float32', shape: ['rows', 'classes'] } },
  labels: { labels: { dataType: 'int64', shape: ['rows'] } },
  losses({ output }, { labels }, rows) {
    const classes = output.shape[1];
    return Float64Array.from({ length: rows }, (_, row) => -output.data[row * classes + Number(labels.data[row])]);
  },
};
export default objective;
`;

const IN_JAVASCRIPT = `
// @ts-check
/**
 * @typedef {{ right: number, all: number }} Counts
 * @type {import('zeroth/objective').CorpusObjective<Counts, { output: 'float32' }, { labels: 'int64' }>}
 */
const objective = {
  outputs: { output: { dataType: 'float32', shape: ['rows', 'classes'] } },
  labels: { labels: { dataType: 'int64', shape: ['rows'] } },
  start: () => ({ right: 0, all: 0 }),
  add({ right, all }, { output }, { labels }, rows) {
    const [, classes] = output.shape;
    for (let row = 0; row < rows; row++) {
      const scores = output.data.subarray(row * classes, (row + 1) * classes);
      if (scores.indexOf(Math.max(...scores)) === Number(labels.data[row])) right++;
    }
    return { right, all: all + rows };
  },
  merge: (a, b) => ({ right: a.right + b.right, all: a.all + b.all }),
  loss: ({ right, all }) => 1 - right / all,
};
export default objective;
`;

const EVALUATION = `
import { connect, toTensor } from 'zeroth/client';

await using zeroth = connect(process.argv[2]);
const { name: model } = await zeroth.models.load('mlp.onnx');
const tensors = { x: toTensor(new Float32Array(12), [2, 6]), labels: toTensor(BigInt64Array.of(0n, 2n), [2]) };
const run = await zeroth.runs.create({ model, objective: { name: 'custom/margin' } });
const batch = { source: { $case: 'inline', value: { tensors } } };
for (const name of ['custom/margin', 'custom/hits']) {
  const { results } = await zeroth.oracle.evaluate({ run: run.name, points: [{}], batch, objective: { name } });
  console.log(name, results[0].loss, results[0].finite);
}
`;

/** What a folder of objectives has of the world: no types of Node.js, and a library of before Float16Array. */
const PLAIN = { target: 'es2022', lib: ['es2022'], types: [] };

describe('zeroth/objective', () => {
  let app: PackedApp;
  beforeAll(async () => {
    app = await PackedApp.open();
  });
  afterAll(() => app[Symbol.asyncDispose]());

  test('modules in both languages compile against it, are served and scored with', async () => {
    await app.write('objectives/margin.ts', IN_TYPESCRIPT);
    await app.write('objectives/hits.js', IN_JAVASCRIPT);
    for (const file of ['margin.ts', 'hits.js'])
      expect(await app.compilerSays(`objectives/${file}`, PLAIN)).toEqual([]);

    await app.write('models/mlp.onnx', tinyModel());
    const command = [join(app.path, 'node_modules', 'zeroth', 'dist', 'client', 'zeroth.js'), 'serve'];
    const flags = ['--objective-dir', join(app.path, 'objectives')];
    const server = await startServerProcess(app.path, flags, command);
    try {
      // Biases are 0 and so is x: all scores are equal, and the first is the largest.
      const said = await app.run('evaluate.js', EVALUATION, [server.address]);
      expect(said).toBe('custom/margin 0 true\ncustom/hits 0.5 true\n');
    } finally {
      await server.stop();
    }
  });

  test.each([
    ['mistaken.ts', "labels: 'int64' }>", "labels: 'float32' }>", '\'"int64"\' is not assignable to type'],
    ['mistaken.ts', 'losses({ output }', 'loss({ output }', "'loss' does not exist in type"],
    ['mistaken.ts', 'return Float64Array.from', 'return BigInt64Array.from', 'is not assignable to type'],
    ['mistaken.js', "labels: 'int64' }>", "labels: 'float32' }>", '\'"int64"\' is not assignable to type'],
    ['mistaken.js', 'merge: (a, b)', 'merged: (a, b)', "'merged' does not exist in type"],
    ['mistaken.js', 'right: a.right + b.right, ', '', "Property 'right' is missing in type"],
  ])(
    'an objective of another shape does not compile: %s, where %o is %o',
    async (file, right, wrong, text) => {
      const module = file.endsWith('.ts') ? IN_TYPESCRIPT : IN_JAVASCRIPT;
      await app.write(file, module.replace(right, wrong));
      expect((await app.compilerSays(file, PLAIN)).join('\n')).toContain(text);
    },
  );
});
