// Folders of an operator's objectives.
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import type { DataType } from '../../server/tensor.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/objectives/', import.meta.url));

/** A folder below another with the fixtures and an ONNX file, and more files by name. */
export async function objectiveFolder(
  within: string,
  more: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<string> {
  const folder = join(within, 'objectives');
  await mkdir(folder);
  for (const file of await readdir(FIXTURES))
    await cp(join(FIXTURES, file), join(folder, file), { recursive: true });
  const files = { 'likelihood.onnx': likelihood(), ...more };
  for (const [file, content] of Object.entries(files)) await writeFile(join(folder, file), content);
  return folder;
}

/** A module of one function. */
export function moduleOf(body: string): string {
  return `export default {
  outputs: { output: { dataType: 'float32' } },
  labels: {},
  losses(outputs, labels, rows) { ${body} },
};
`;
}

/** cross_entropy as a graph: float32 `output` [rows, classes] and int64 `labels` [rows] to `loss` [rows]; other names on request. */
export function likelihood({
  input = 'output',
  output = 'loss',
  labels = 'int64' as DataType,
  target = 'labels',
  scale = 1,
} = {}): Uint8Array {
  const graph = new GraphWriter(18);
  const logits = graph.input(input, ['rows', 'classes'], 'float32');
  const classes = graph.unsqueeze(graph.input(target, ['rows'], labels), [1]);
  const ofLabel = graph.add('GatherElements', [graph.add('LogSoftmax', [logits], { axis: 1 }), classes], {
    axis: 1,
  });
  const scaled = graph.add('Mul', [ofLabel, graph.constantTensor('float32', [], Float32Array.of(-scale))]);
  graph.add('Squeeze', [scaled, graph.constant([1])], {}, output);
  graph.output(output, ['rows']);
  return graph.finish();
}
