// Models that are links, as Python's tools have them in Hugging Face's cache: a command's own server reads them like any others.
import { existsSync, statSync } from 'node:fs';
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { withoutLinks } from '../../../client/commands/inputs/linked-model.ts';
import { temporaryFolder } from '../../support/server-process.ts';
import { COMMIT } from '../hub/hub-stand-in.ts';
import { LANGUAGE } from './command-server.ts';
import { startZeroth } from './zeroth-process.ts';

const folder = await temporaryFolder();
const home = await realpath(folder.path);
const at = (...names: readonly string[]) => join(home, ...names);
afterAll(() => folder[Symbol.asyncDispose]());

const repository = at('hub/models--me--tiny');
const snapshot = join(repository, 'snapshots', COMMIT);

/** By names in the snapshot; a blob is named by its hash. */
const cached = {
  'onnx/llama-external.onnx': 'llama-external.onnx',
  'onnx/llama-external.onnx.data': 'llama-external.onnx.data',
  'bert.onnx': 'distilbert-classification.onnx',
  'tokenizer.json': 'tokenizers/gpt2/tokenizer.json',
};

beforeAll(async () => {
  for (const name of ['blobs', 'refs', `snapshots/${COMMIT}/onnx`])
    await mkdir(join(repository, name), { recursive: true });
  await writeFile(join(repository, 'refs/main'), COMMIT);
  for (const [i, [name, fixture]] of Object.entries(cached).entries()) {
    const blob = join(repository, 'blobs', String(i).repeat(64));
    await copyFile(join(LANGUAGE, fixture), blob);
    await symlink(blob, join(snapshot, name));
  }
  await writeFile(at('texts.jsonl'), '{"text":"It was late."}\n{"text":"The walk home."}\n');
  await writeFile(at('rows.jsonl'), '{"text":"a dull film","label":0}\n{"text":"a warm film","label":1}\n');
});

describe('eval with a server of its own', () => {
  // Temporary folders of its own show that nothing stays there.
  const scored = async (...args: readonly string[]) => {
    const temporary = await mkdtemp(at('tmp-'));
    const env = { HF_HOME: home, HF_HUB_OFFLINE: '1', TMPDIR: temporary };
    const { code, stdout, stderr } = await startZeroth(['eval', '--json', ...args], env).ended;
    expect([code, stderr]).toEqual([0, '']);
    expect((await readdir(temporary)).filter((name) => name.includes('zeroth'))).toEqual([]);
    return JSON.parse(stdout).results;
  };
  const texts = () => ['--task', 'causal-lm', '--data', at('texts.jsonl')];

  test.each([
    ['by its path', join(snapshot, 'onnx/llama-external.onnx')],
    ['by its name', 'hf:me/tiny/onnx/llama-external.onnx'],
  ])('reads a model of the cache with values beside it, %s', async (_, model) => {
    const linked = await scored('--model', model, ...texts());
    const tokenizer = ['--tokenizer', `${LANGUAGE}/tokenizers/gpt2`];
    expect(linked).toEqual(
      await scored('--model', `${LANGUAGE}/llama-external.onnx`, ...tokenizer, ...texts()),
    );
    expect(linked).toMatchObject([{ objective: 'causal_lm' }]);
  });

  it('reads one that has none', async () => {
    const rows = ['--tokenizer', `${LANGUAGE}/tokenizers/bert`, '--data', at('rows.jsonl')];
    const plain = await scored('--model', `${LANGUAGE}/distilbert-classification.onnx`, ...rows);
    expect(await scored('--model', join(snapshot, 'bert.onnx'), ...rows)).toEqual(plain);
  });
});

describe('a place without links', () => {
  const [model, data] = ['m.onnx', 'm.onnx_data'];

  async function filled(name: string, files: Readonly<Record<string, string>>): Promise<string> {
    await mkdir(at(name));
    for (const [file, content] of Object.entries(files)) await writeFile(at(name, file), content);
    return at(name);
  }

  it('is where the model lies that is no link, and where the files lie together that links lead to', async () => {
    const real = await filled('real', { [model]: 'graph', [data]: 'values' });
    expect(await withoutLinks({ folder: real, file: model })).toMatchObject({ folder: real, file: model });
    const links = await filled('links', {});
    for (const file of [model, data]) await symlink(join(real, file), join(links, file));
    expect(await withoutLinks({ folder: links, file: model })).toMatchObject({ folder: real, file: model });
    await symlink(links, at('link-to-links'));
    expect(await withoutLinks({ folder: home, file: `link-to-links/${model}` })).toMatchObject({
      ...{ folder: real, file: model },
    });
  });

  it('is a folder of hard links where they lie under other names, until it is disposed of', async () => {
    const found = await withoutLinks({
      folder: repository,
      file: `snapshots/${COMMIT}/onnx/llama-external.onnx`,
    });
    const names = ['llama-external.onnx', 'llama-external.onnx.data'];
    expect([found.file, (await readdir(found.folder)).sort()]).toEqual([names[0], names]);
    for (const name of names)
      expect(statSync(join(found.folder, name)).ino).toBe(statSync(join(snapshot, 'onnx', name)).ino);
    await found[Symbol.asyncDispose]();
    expect(existsSync(found.folder)).toBe(false);
    expect(existsSync(join(snapshot, 'onnx', names[0]))).toBe(true);
  });

  it('leaves a link to nothing to the server', async () => {
    const folder = await filled('dangling', { [model]: 'graph' });
    await symlink(at('nowhere'), join(folder, data));
    expect(await withoutLinks({ folder, file: model })).toMatchObject({ folder, file: model });
  });

  const SHARED = '/dev/shm';
  const hasTwoDisks = existsSync(SHARED) && statSync(SHARED).dev !== statSync(tmpdir()).dev;

  it.runIf(hasTwoDisks)(
    'lies beside the model where the temporary folder is another disk, and has copies where the files are on two',
    async () => {
      const far = await realpath(await mkdtemp(join(SHARED, 'zeroth-test-')));
      try {
        const folder = await filled('two-disks', {});
        for (const [file, blob] of [
          [model, 'b1'],
          [data, 'b2'],
        ]) {
          await writeFile(join(far, blob), file);
          await symlink(join(far, blob), join(folder, file));
        }
        const linked = await withoutLinks({ folder, file: model });
        expect(dirname(linked.folder)).toBe(far);
        await linked[Symbol.asyncDispose]();
        await rm(join(folder, data));
        await writeFile(at('b2'), data);
        await symlink(at('b2'), join(folder, data));
        const copied = await withoutLinks({ folder, file: model });
        for (const file of [model, data])
          expect(await readFile(join(copied.folder, file), 'utf8')).toBe(file);
        expect(statSync(join(copied.folder, model)).nlink).toBe(1);
        await copied[Symbol.asyncDispose]();
        expect(await readdir(far)).toEqual(['b1', 'b2']);
      } finally {
        await rm(far, { recursive: true });
      }
    },
  );
});
