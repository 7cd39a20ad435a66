// `zeroth apply`: a model and a journal are the tuned model, in a process that has no server.
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import { train } from '../../client/train.ts';
import { ExportFormat } from '../../proto/gen/zeroth/v1/run_service.ts';
import { mezoSvrg } from '../../server/strategy/mezo-svrg.ts';
import { OBJECTIVE, ROWS, tinyData, tinyModel } from '../support/fixture-server.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../support/server-process.ts';

const run = promisify(execFile);

async function apply(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    return { code: 0, ...(await run(process.execPath, ['client/zeroth.ts', 'apply', ...args])) };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

describe('zeroth apply', () => {
  const stack = new AsyncDisposableStack();
  let folder: string;
  let server: ServerProcess;
  let zeroth: Zeroth;
  const at = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = stack.use(await temporaryFolder()).path;
    await mkdir(at('models'));
    await writeFile(at('models/mlp.onnx'), tinyModel());
    server = await startServerProcess(folder);
    zeroth = connect(server.address);
    const { name: model } = await zeroth.models.load('mlp.onnx');
    const { dataset } = await zeroth.datasets.create(tinyData());
    for (const [id, options] of Object.entries({
      all: {},
      adapters: { lora: { rank: 2, alpha: 4, targets: ['fc1*'], seed: 5n } },
    })) {
      await zeroth.runs.create({ model, runId: id, objective: OBJECTIVE, ...options });
      const strategy = mezoSvrg({ q: 5, eta1: 1e-2, eta2: 5e-3, anchorDirections: 2, seed: 7n });
      const rows = { name: dataset.name, rows: ROWS };
      const training = { run: `runs/${id}`, dataset: rows, strategy, batchSize: 8, batchSeed: 3n };
      for await (const _ of train(zeroth, { ...training, trainingId: 'one', budget: { steps: 30 } }));
      // A change that takes a tensor beyond half its range, so that it is regridded, and a rollback.
      await zeroth.oracle.update({ run: `runs/${id}`, shifts: [{ seed: 1n, scale: 1 }], requestId: 'far' });
      const { revision } = await zeroth.runs.get(`runs/${id}`);
      await zeroth.oracle.update({ run: `runs/${id}`, shifts: [{ seed: 2n, scale: 1e-3 }], requestId: 'on' });
      // A branch that is left again, and one that stays.
      const decay = { factor: 0.9, seed: 2n ** 63n, exclude: ['*bias'] };
      await zeroth.oracle.update({ run: `runs/${id}`, decay, requestId: 'decayed' });
      await zeroth.runs.rollback({ name: `runs/${id}`, revision, requestId: 'back' });
      const last = { decay: { ...decay, factor: 0.97 }, shifts: [{ seed: 3n, scale: 1e-3 }] };
      await zeroth.oracle.update({ run: `runs/${id}`, ...last, requestId: 'once more' });
      await zeroth.runs.exportTo(at(`${id}.journal`), {
        name: `runs/${id}`,
        format: ExportFormat.EXPORT_FORMAT_JOURNAL,
      });
      await zeroth.runs.exportTo(at(`${id}.onnx`), { name: `runs/${id}` });
    }
  });
  afterAll(async () => {
    await zeroth.close();
    await server.stop();
    await stack.disposeAsync();
  });

  test.each(['all', 'adapters'])(
    '%s: the file is the one that the server exports, byte for byte',
    async (id) => {
      const { header } = await zeroth.runs.export({ name: `runs/${id}` });
      const journal = await readFile(at(`${id}.journal`), 'utf8');
      // The few weights of the adapters stay where they are.
      expect(journal.includes('"kind":"regrid"')).toBe(id === 'all');
      expect(journal).toMatch(/"kind":"rollback"/);
      expect(
        journal.match(/"decay":\{"factor":0.9\d*,"seed":"9223372036854775808","tensors":\[/g),
      ).toHaveLength(2);
      const out = at(`${id}.applied.onnx`);
      const args = ['--model', at('models/mlp.onnx'), '--journal', at(`${id}.journal`), '--out', out];
      const { code, stdout, stderr } = await apply(...args);
      expect(stderr).toBe('');
      expect({ code, stdout }).toEqual({
        code: 0,
        stdout: `${out}: revision ${header.revision}, weights ${header.weightsSha256}\n`,
      });
      expect(await readFile(out)).toEqual(await readFile(at(`${id}.onnx`)));
    },
  );

  test('an earlier revision has a journal of its own', async () => {
    const format = ExportFormat.EXPORT_FORMAT_JOURNAL;
    const { bytes } = await zeroth.runs.export({ name: 'runs/all', revision: 3n, format });
    expect(Buffer.from(bytes).toString().trimEnd().split('\n')).toHaveLength(4);
  });

  test.each([
    {
      what: 'another model',
      wanted: 1,
      change: async () => {
        await writeFile(at('other.onnx'), Buffer.concat([tinyModel(), Buffer.of(0x40, 0x01)]));
        return { model: at('other.onnx'), journal: at('all.journal') };
      },
      expected: /^zeroth apply: the model of the run: expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}\n$/,
    },
    {
      what: 'a changed scale',
      wanted: 1,
      change: async () => {
        const text = await readFile(at('all.journal'), 'utf8');
        await writeFile(at('changed'), text.replace('"scale":1}', '"scale":1.25}'));
        return { model: at('models/mlp.onnx'), journal: at('changed') };
      },
      expected: /^zeroth apply: tuned weights: expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}\n$/,
    },
    {
      what: 'a line too few',
      wanted: 4,
      change: async () => {
        const text = await readFile(at('all.journal'), 'utf8');
        await writeFile(at('short'), text.trimEnd().split('\n').slice(0, -1).join('\n'));
        return { model: at('models/mlp.onnx'), journal: at('short') };
      },
      expected: /^zeroth apply: journal, line 1: expected \d+ changes behind it, got \d+\n$/,
    },
    {
      what: 'a seed that is a number',
      wanted: 4,
      change: async () => {
        const text = await readFile(at('all.journal'), 'utf8');
        await writeFile(at('seed'), text.replace(/"seed":"(\d+)"/, '"seed":$1'));
        return { model: at('models/mlp.onnx'), journal: at('seed') };
      },
      expected:
        /^zeroth apply: journal, line 2: expected shifts with a seed in decimal, as text, and a finite scale, got /,
    },
    {
      what: 'a decay of a tensor that there is not',
      wanted: 4,
      change: async () => {
        const text = await readFile(at('all.journal'), 'utf8');
        await writeFile(at('decay'), text.replace(/"tensors":\[0,2\]/, '"tensors":[0,4]'));
        return { model: at('models/mlp.onnx'), journal: at('decay') };
      },
      expected:
        /^zeroth apply: journal, line \d+: expected a decay with a factor between 0 and 1, .*, and tensors below 4, ascending, got /,
    },
    {
      what: 'a decay by another factor',
      wanted: 1,
      change: async () => {
        const text = await readFile(at('all.journal'), 'utf8');
        await writeFile(at('factor'), text.replace('"factor":0.97', '"factor":0.98'));
        return { model: at('models/mlp.onnx'), journal: at('factor') };
      },
      expected: /^zeroth apply: tuned weights: expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}\n$/,
    },
    {
      what: 'something else than a journal',
      wanted: 4,
      change: async () => ({ model: at('models/mlp.onnx'), journal: at('models/mlp.onnx') }),
      expected: /^zeroth apply: journal, line 1: expected JSON, got /,
    },
  ])('$what is refused, and nothing is written', async ({ change, expected, wanted }) => {
    const { model, journal } = await change();
    const out = at('refused.onnx');
    const { code, stderr } = await apply('--model', model, '--journal', journal, '--out', out);
    expect(code).toBe(wanted);
    expect(stderr).toMatch(expected);
    await expect(readFile(out)).rejects.toThrow('ENOENT');
  });

  test('without its flags it says what they are', async () => {
    const { code, stderr } = await apply();
    expect(code).toBe(2);
    expect(stderr).toBe(
      'zeroth apply: --model: expected a file, got nothing\nzeroth apply --help says what there is\n',
    );
  });
});
