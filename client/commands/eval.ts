// `zeroth eval`: losses of a run, of one of its revisions, or of a model file, on rows of a file or a dataset.
import { command } from './command.ts';
import { choice, revision, seed, text, texts, UsageError } from './flags.ts';
import { rowFlags } from './inputs/row-flags.ts';
import { connection } from './server/connection.ts';

export const evalGroups = {
  'What is evaluated': {
    revision: revision('the weights of this revision; default: those of now'),
    model: text(
      'PATH',
      'instead of a run: an ONNX file, a folder with one, or hf:owner/name[/file]; with a server, a file of its own',
    ),
    objective: texts(
      'NAME',
      "what it is scored by, as often as needed; default: the run's, and accuracy of classes",
    ),
    output: text('NAME', 'the output that is scored; default: that of the run or of the model'),
  },
  Rows: {
    data: text('FILE', 'rows to evaluate on: .jsonl, .csv, .tsv or .parquet'),
    dataset: text('NAME', 'instead of a file: a dataset that the server has'),
    tokenizer: text('DIR', "a folder with tokenizer.json, or hf:owner/name; default: the model's folder"),
    ...rowFlags,
    seed: seed(1n, 'of masks, as in the training'),
  },
  Server: {
    ...connection,
    device: choice(['cpu', 'webgpu', 'cuda', 'auto'], 'where a server that is started for --model computes'),
  },
} as const;

export const evalCommand = command({
  usage: 'eval [NAME]',
  does: 'loss and metrics of a run, or of a model file, on rows of a file or on a dataset',
  flags: evalGroups,
  fields: {
    path: '--model',
    'points[0].anchor.revision': '--revision',
    'batch.dataset.dataset': '--dataset',
    'objective.name': '--objective',
    'objective.output': '--output',
  },
  endsInOrder: true,
  async run({ args: [run], flags }, context) {
    if ((run === undefined) === (flags.model === undefined))
      throw new UsageError('expected the name of a run, or --model PATH, and not both');
    if ((flags.data === undefined) === (flags.dataset === undefined))
      throw new UsageError('--data: expected a file of rows, or --dataset NAME, and not both');
    if (run === undefined && flags.revision !== undefined)
      throw new UsageError('--revision: expected it of a run, got --model');
    const { evaluate } = await import('./eval/job.ts');
    await evaluate({ run, flags, context });
  },
});
