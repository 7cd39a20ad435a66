// What a file that is no objective is told: which file, where in it, what was expected and what came.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ObjectiveFile } from '../../server/model/objective/operator-objective.ts';
import { tryObjectives } from '../../server/worker/try-objectives.ts';
import { likelihood } from '../support/objective-files.ts';
import { temporaryFolder } from '../support/server-process.ts';

const NEEDS = "outputs: { output: { dataType: 'float32' } }, labels: {}";
const LOSSES = 'losses(outputs, labels, rows) { return new Float64Array(rows); }';
const needing = (need: string) => `export default { outputs: { output: ${need} }, labels: {}, ${LOSSES} };`;

const TYPES =
  'float32, float64, float16, int8, uint8, int16, uint16, int32, uint32, int64, uint64, bool, or a list of them';
const SIZES = 'sizes and names of sizes, as ["rows", "classes", 2], rows first';
const AN_OBJECTIVE = 'its default export: expected an objective (docs/objectives.md), got';
const OF_ONE_KIND = 'its functions: expected either losses, or start, add, merge, loss, got';
const IMPORTED = 'it cannot be imported:';

/** File, content, and what is told of it. */
const cases: readonly (readonly [string, string | Uint8Array, string | RegExp])[] = [
  // What cannot be imported.
  ['syntax.ts', 'export default {\n  losses(: number) {},\n};', /: SyntaxError: .* \(line 2\)$/s],
  ['syntax.js', 'export default {\n  losses(outputs labels) {},\n};', /: SyntaxError: .* \(line 2\)$/s],
  [
    'typed.js',
    'const a: number = 1;',
    /: SyntaxError: .*; it has types, which take a name that ends in \.ts$/,
  ],
  [
    'enum.ts',
    '\nenum A { B }',
    /: SyntaxError: TypeScript enum is not supported in strip-only mode \(line 2\)$/,
  ],
  [
    'common.js',
    '\nmodule.exports = {};',
    `${IMPORTED} ReferenceError: module is not defined in ES module scope (line 2)`,
  ],
  ['throws.ts', "\nthrow new Error('no licence');", `${IMPORTED} Error: no licence (line 2)`],
  [
    'packageless.ts',
    "import 'no-such-package';",
    /: Error: Cannot find package 'no-such-package' imported from /,
  ],
  ['helped.ts', "import './lib/throws.ts';", `${IMPORTED} Error: not today (lib/throws.ts, line 3)`],
  ['misled.ts', "import './lib/broken.ts';", /: SyntaxError: .* \(lib\/broken\.ts, line 1\)$/s],
  ['deceived.js', "import './lib/broken.js';", /: SyntaxError: .*, perhaps in a file that it imports$/],
  [
    'waiting.ts',
    'await new Promise(() => {});',
    'its import waits for what never comes: a promise at its top level that nothing is left to resolve',
  ],
  // What exports something else.
  ['empty.ts', '', `${AN_OBJECTIVE} none`],
  ['named.ts', `export const objective = { ${NEEDS}, ${LOSSES} };`, `${AN_OBJECTIVE} none, but "objective"`],
  ['function.ts', 'export default function losses() {}', `${AN_OBJECTIVE} a function`],
  ['promised.ts', 'export default Promise.resolve({});', `${AN_OBJECTIVE} a promise`],
  ['listed.ts', 'export default [1n, "a"];', `${AN_OBJECTIVE} [1n, "a"]`],
  ['angry.ts', 'export default {\n  get outputs() { throw 7; },\n};', 'its default export threw 7'],
  [
    'furious.ts',
    'export default {\n  get outputs() { throw new Error("no"); },\n};',
    'its default export threw Error: no (line 2)',
  ],
  // What is described wrongly.
  [
    'nameless.ts',
    `export default { ${LOSSES} };`,
    'outputs: expected what it needs of outputs, by name, got undefined',
  ],
  [
    'outputless.ts',
    `export default { outputs: {}, labels: {}, ${LOSSES} };`,
    'outputs: expected at least one output of the model, got none',
  ],
  [
    'unlabelled.ts',
    `export default { outputs: {}, ${LOSSES} };`,
    'labels: expected what it needs of the batch, by name, got undefined',
  ],
  [
    'described.ts',
    `export default { description: 5, ${NEEDS}, ${LOSSES} };`,
    'description: expected text, got 5',
  ],
  ['short.ts', needing("'float32'"), 'outputs.output: expected { dataType, shape }, got "float32"'],
  [
    'float.ts',
    needing("{ dataType: 'float' }"),
    `outputs.output.dataType: expected one of ${TYPES}, got "float"`,
  ],
  ['typeless.ts', needing('{}'), `outputs.output.dataType: expected one of ${TYPES}, got undefined`],
  [
    'mixed.ts',
    needing("{ dataType: ['float32', 7] }"),
    `outputs.output.dataType: expected one of ${TYPES}, got ["float32", 7]`,
  ],
  [
    'nested.ts',
    needing("{ dataType: [['float32']] }"),
    `outputs.output.dataType: expected one of ${TYPES}, got [["float32"]]`,
  ],
  [
    'fixed.ts',
    needing("{ dataType: 'int8', shape: [7, 'x'] }"),
    `outputs.output.shape: expected ${SIZES}, got [7, "x"]`,
  ],
  [
    'negative.ts',
    needing("{ dataType: 'int8', shape: ['rows', -1] }"),
    `outputs.output.shape: expected ${SIZES}, got ["rows", -1]`,
  ],
  [
    'worded.ts',
    needing("{ dataType: 'int8', shape: 'rows' }"),
    `outputs.output.shape: expected ${SIZES}, got "rows"`,
  ],
  ['misspelt.ts', `export default { ${NEEDS}, lossses() {} };`, `${OF_ONE_KIND} lossses`],
  ['both.ts', `export default { ${NEEDS}, ${LOSSES}, loss() {} };`, `${OF_ONE_KIND} losses, loss`],
  ['idle.ts', `export default { ${NEEDS} };`, `${OF_ONE_KIND} none`],
  // Graphs.
  ['text.onnx', 'a text', 'expected an ONNX model, got bytes that do not decode as one (truncated?)'],
  ['nothing.onnx', '', 'expected an ONNX model, got an empty file'],
  ['renamed.onnx', likelihood({ output: 'losses' }), 'expected an output "loss", got "losses"'],
];

const NEIGHBOURS = {
  'throws.ts': "const today = true;\n\nif (today) throw new Error('not today');",
  'broken.ts': 'export const g = (a: ) => 1;',
  'broken.js': 'export const g = (a: ) => 1;',
};

test('each file that is no objective is told what is wrong with it, and costs the others nothing', async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, 'lib'));
  for (const [name, content] of Object.entries(NEIGHBOURS))
    await writeFile(join(folder.path, 'lib', name), content);
  const right = ['right.ts', `export default { ${NEEDS}, ${LOSSES} };`, ''] as const;
  const all = [...cases, right];
  const outcomes = await tryObjectives(
    all.map(([file, content], i) => fileOf(join(folder.path, file), content, i)),
    5000,
  );
  const told = outcomes.map((outcome) => (outcome.ok ? '' : outcome.error.message));
  const expected = all.map(([file, , text]) => {
    if (text === '') return '';
    const whole = `custom/${stemOf(file)} (${file}): `;
    return typeof text === 'string' ? whole + text : expect.stringMatching(text);
  });
  expect(told).toEqual(expected);
  for (const [i, [file]] of cases.entries()) expect(told[i]).toContain(`custom/${stemOf(file)} (${file}): `);
});

function fileOf(path: string, content: string | Uint8Array, i: number): ObjectiveFile {
  const name = `custom/${stemOf(path.slice(path.lastIndexOf('/') + 1))}`;
  return {
    name,
    path,
    sha256: i.toString(16).padStart(64, '0'),
    bytes: new Uint8Array(Buffer.from(content)),
  };
}

function stemOf(file: string): string {
  return file.slice(0, file.lastIndexOf('.'));
}
