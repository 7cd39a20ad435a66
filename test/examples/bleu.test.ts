// The objective of examples/bleu, served: held against figures of sacreBLEU, published and computed.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Zeroth } from '../../client/client.ts';
import { openLocal } from '../../client/local.ts';
import { toTensor } from '../../client/tensor.ts';
import { GraphWriter } from '../../server/onnx/graph-writer.ts';
import { temporaryFolder } from '../support/server-process.ts';

const [TOKENS, LENGTH] = [32, 9];

type Corpus = {
  readonly bleu: number;
  readonly written: readonly string[];
  /** As sacreBLEU takes them: a list of first references, one of second ones. */
  readonly references: readonly (readonly string[])[];
};

const corpora: readonly (readonly [string, Corpus])[] = [
  [
    // "BLEU = 48.53 82.4/50.0/45.5/37.5 (BP = 0.943 ratio = 0.944 hyp_len = 17 ref_len = 18)"
    'the example of its README, with full stops as words',
    {
      bleu: 48.530827009929865,
      written: ['The dog bit the man .', "It wasn't surprising .", 'The man had just bitten him .'],
      references: [
        ['The dog bit the man .', 'It was not unexpected .', 'The man bit him first .'],
        ['The dog had bit the man .', 'No one was surprised .', 'The man had bitten the dog .'],
      ],
    },
  ],
  // sacrebleu 2.6.0: corpus_bleu(written, references, tokenize='none').score
  [
    'a word that is written too often',
    {
      bleu: 58.30401928168865,
      written: ['a b c d e f', 'c c c c c'],
      references: [['a b c d e f', 'c c d e f g']],
    },
  ],
  [
    'too short, and references that differ',
    {
      bleu: 35.967895947086795,
      written: ['a b c d x f g', 'b a'],
      references: [['a b c d e f g', 'b a c d e']],
    },
  ],
  [
    'no three words in a row',
    { bleu: 9.287528999566801, written: ['a a a a a a a'], references: [['a b a c a d a']] },
  ],
  [
    'no four words in a row, and one row that has not so many',
    { bleu: 31.947155212313625, written: ['a b x c', 'd e'], references: [['a b c', 'd f']] },
  ],
  ['nothing right', { bleu: 0, written: ['x y z w'], references: [['a b c d']] }],
  ['all right, but nowhere four words', { bleu: 0, written: ['a b c'], references: [['a b c']] }],
  [
    'two references, of which either is nearer',
    {
      bleu: 90.48348715045417,
      written: ['the cat sat on the mat today', 'on the other hand it was the the the'],
      references: [
        ['the cat sat on the mat', 'on the other hand it was the end'],
        ['a cat was sitting on the mat today', 'it was the the end of it'],
      ],
    },
  ],
];

describe('BLEU as an objective', () => {
  const stack = new AsyncDisposableStack();
  let zeroth: Zeroth;
  let run: string;
  beforeAll(async () => {
    const { path: modelDir } = stack.use(await temporaryFolder());
    await writeFile(join(modelDir, 'echo.onnx'), echo());
    const objectiveDir = fileURLToPath(new URL('../../examples/bleu/objectives/', import.meta.url));
    // Two rows a pass: three rows take two, whose counts are merged.
    const settings = { modelDir, objectiveDir, dataDir: ':memory:', threads: 1, rowsPerMicroBatchMax: 2 };
    zeroth = stack.use(await openLocal(settings));
    const { name: model } = await zeroth.models.load('echo.onnx');
    run = (await zeroth.runs.create({ model, objective: { name: 'custom/bleu' } })).name;
  });
  afterAll(() => stack.disposeAsync());

  test.each(corpora)('is that of sacreBLEU: %s', async (_, corpus) => {
    const source = { $case: 'inline', value: { tensors: tensorsOf(corpus) } } as const;
    const { results } = await zeroth.oracle.evaluate({ run, points: [{}], batch: { source } });
    expect(100 * (1 - results[0].loss)).toBeCloseTo(corpus.bleu, 10);
  });
});

/** Writes what it reads: scores of a token are a row of a table, that of the unit matrix. */
function echo(): Uint8Array {
  const graph = new GraphWriter(18);
  const unit = Float32Array.from({ length: TOKENS ** 2 }, (_, i) => (i % (TOKENS + 1) === 0 ? 1 : 0));
  const table = graph.initializer('table', [TOKENS, TOKENS], unit);
  graph.add('Gather', [table, graph.input('ids', ['rows', 'length'])], {}, 'scores');
  graph.output('scores', ['rows', 'length', TOKENS]);
  return graph.finish();
}

function tensorsOf({ written, references }: Corpus) {
  const words = new Map<string, bigint>();
  const idOf = (word: string) => {
    if (!words.has(word)) words.set(word, BigInt(words.size + 1));
    return words.get(word)!;
  };
  const filled = (text: string, with_: bigint) => {
    const ids = text.split(' ').map(idOf);
    return [...ids, ...Array<bigint>(LENGTH - ids.length).fill(with_)];
  };
  const ids = written.flatMap((text) => filled(text, 0n));
  const labels = written.flatMap((_, row) => references.flatMap((each) => filled(each[row], -100n)));
  return {
    ids: toTensor(BigInt64Array.from(ids), [written.length, LENGTH]),
    labels: toTensor(BigInt64Array.from(labels), [written.length, references.length, LENGTH]),
  };
}
