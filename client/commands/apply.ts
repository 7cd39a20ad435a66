// `zeroth apply`: a model and a journal to the tuned model, without a server.
import { command } from './command.ts';
import { text, toggle, UsageError } from './flags.ts';
import { print, printJson } from './output.ts';

type ApplyRequest = {
  readonly model: string;
  readonly journal: string;
  readonly out: string;
  readonly format: 'onnx' | 'onnx-merged' | 'safetensors';
};

type Applied = {
  readonly revision: number;
  readonly bytes: number;
  readonly weightsSha256: string;
};

/** Of the server's rooms. */
export type Apply = (request: ApplyRequest) => Promise<Applied>;

const flags = {
  Files: {
    model: text('FILE', "the run's model, unchanged"),
    journal: text('FILE', "the run's journal, as zeroth export --format journal writes it"),
    out: text('FILE', 'where the tuned model goes'),
  },
  Format: {
    merged: toggle('adapters (LoRA) go into the weights instead of staying beside them'),
    safetensors: toggle('what was trained, alone: of a model that is too large for one ONNX file too'),
  },
} as const;

export const applyCommand = (apply: Apply) =>
  command({
    usage: 'apply',
    does: 'the tuned model from the model that a run began with and its journal, bit for bit, without a server',
    flags,
    async run({ flags: { model, journal, out, merged, safetensors } }, { isJson }) {
      if (model === undefined) throw new UsageError('--model: expected a file, got nothing');
      if (journal === undefined) throw new UsageError('--journal: expected a file, got nothing');
      if (out === undefined) throw new UsageError('--out: expected a file, got nothing');
      if (merged && safetensors)
        throw new UsageError('--safetensors: expected one of --merged and --safetensors, got both');
      const format = safetensors ? 'safetensors' : merged ? 'onnx-merged' : 'onnx';
      const applied = await apply({ model, journal, out, format });
      if (isJson) printJson({ out, format, ...applied });
      else print(`${out}: revision ${applied.revision}, weights ${applied.weightsSha256}`);
    },
  });
