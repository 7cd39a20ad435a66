// `zeroth export`: the tuned model of a run, or its journal, as a file.
import { access, constants, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ExportFormat } from '../../proto/gen/zeroth/v1/run_service.ts';
import { invalid } from '../../server/errors.ts';
import { command } from './command.ts';
import { choice, revision, text, UsageError } from './flags.ts';
import { fullName } from './names.ts';
import { bytes, print, printJson, whole } from './output.ts';
import { openBytesBar } from './progress.ts';
import { connection, withServer } from './server/connection.ts';

const formats = {
  onnx: ExportFormat.EXPORT_FORMAT_ONNX,
  merged: ExportFormat.EXPORT_FORMAT_ONNX_MERGED,
  safetensors: ExportFormat.EXPORT_FORMAT_SAFETENSORS,
  journal: ExportFormat.EXPORT_FORMAT_JOURNAL,
} as const;

const names = Object.keys(formats) as (keyof typeof formats)[];

export const exportCommand = command({
  usage: 'export <NAME>',
  does: 'the tuned model of a run, or its journal, as a file: all of it, or none',
  flags: {
    Export: {
      out: text('FILE', 'where it goes'),
      format: choice(names, 'what is written'),
      revision: revision('the weights of this revision; default: those of now'),
    },
    Server: connection,
  },
  fields: { revision: '--revision' },
  endsInOrder: true,
  more: () => `Formats:
  onnx         the model's file with the tuned weights, adapters beside its own
  merged       the same, with adapters (LoRA) merged into the weights
  safetensors  the tensors that were trained, alone
  journal      what has happened: zeroth apply makes the tuned model of it
`,
  async run({ args: [given], flags }, context) {
    const { out, format } = flags;
    if (out === undefined) throw new UsageError('--out: expected a file, got nothing');
    await checkOut(out);
    await withServer({ flags, context }, async (zeroth) => {
      const name = fullName('runs', given);
      const at = flags.revision === undefined ? {} : { revision: BigInt(flags.revision) };
      using bar = openBytesBar('export');
      const request = { name, format: formats[format], ...at };
      const { signal } = context;
      const header = await zeroth.runs.exportTo(out, request, { signal, onProgress: bar.update });
      bar.stop();
      const { sha256, weightsSha256 } = header;
      const size = Number(header.bytes);
      if (context.isJson) {
        const what = { run: name, revision: Number(header.revision), format };
        return printJson({ ...what, out, bytes: size, sha256, weightsSha256 });
      }
      const what = `${name} at revision ${whole(header.revision)} as ${format}`;
      print(`${out}: ${bytes(size)}, ${what}\nSHA-256 ${sha256}`);
    });
  },
});

/** Before anything is computed for it. @throws ZerothError */
export async function checkOut(out: string): Promise<void> {
  const folder = dirname(resolve(out));
  await access(folder, constants.W_OK).catch(() => {
    throw invalid('--out', 'a file in a folder that can be written to', out);
  });
  if ((await stat(out).catch(() => undefined))?.isDirectory())
    throw invalid('--out', 'a file', `the folder ${out}`);
}
