// Models by name, from a server that speaks the Hub's paths.
import { readFileSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { fetchModel, fetchTokenizer } from '../../../client/hub/hub.ts';
import { modelFileOf, parseHubName } from '../../../client/hub/model-name.ts';
import { temporaryFolder } from '../../support/server-process.ts';
import { COMMIT, startHub } from './hub-stand-in.ts';

const LANGUAGE = 'test/fixtures/language';
const model = readFileSync(`${LANGUAGE}/distilbert-classification.onnx`);
const tokenizer = readFileSync(`${LANGUAGE}/tokenizers/bert/tokenizer.json`);
const files = {
  'README.md': Buffer.from('# tiny'),
  'config.json': Buffer.from('{"id2label": {"0": "neg", "1": "pos"}}'),
  'tokenizer.json': tokenizer,
  'onnx/model.onnx': model,
  'onnx/model.onnx_data': Buffer.alloc(0),
  'onnx/model_quantized.onnx': Buffer.alloc(5000),
};

async function open(more: Readonly<Record<string, Uint8Array>> = {}) {
  const stack = new AsyncDisposableStack();
  const home = stack.use(await temporaryFolder()).path;
  const hub = stack.use(await startHub('me/tiny', { ...files, ...more }));
  const env = { HF_HOME: home, HF_ENDPOINT: `${hub.url}/` };
  const repository = join(home, 'hub/models--me--tiny');
  const contents = (requests: readonly string[]) =>
    requests.filter((each) => each.includes('/resolve/') && !each.endsWith(' bytes=0-0'));
  return { hub, env, repository, contents, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const nothing = () => {};

describe('a model of the Hub', () => {
  it('comes with what lies beside it into the cache that Hugging Face has, and from there the next time', async () => {
    await using opened = await open();
    const { hub, env, repository, contents } = opened;
    const seen: [string, number, number][] = [];
    const found = await fetchModel('hf:me/tiny', env, (...progress) => seen.push(progress));
    expect(found).toEqual({ folder: repository, file: `snapshots/${COMMIT}/onnx/model.onnx` });
    expect(await readFile(join(found.folder, found.file))).toEqual(model);
    const names = await readdir(join(repository, 'snapshots', COMMIT), { recursive: true });
    expect(names.sort()).toEqual([
      'config.json',
      'onnx',
      'onnx/model.onnx',
      'onnx/model.onnx_data',
      'tokenizer.json',
    ]);
    expect(await readFile(join(repository, 'refs/main'), 'utf8')).toBe(COMMIT);
    expect(seen.at(-1)).toEqual(['onnx/model.onnx', model.length, model.length]);

    const before = contents(hub.requests).length;
    expect(await fetchModel('hf:me/tiny/onnx/model.onnx', env, nothing)).toEqual(found);
    expect(contents(hub.requests).length).toBe(before);
    await hub[Symbol.asyncDispose]();
    expect(await fetchModel('hf:me/tiny', env, nothing)).toEqual(found);
    expect(await fetchModel('hf:me/tiny', { ...env, HF_HUB_OFFLINE: '1' }, nothing)).toEqual(found);
  });

  it('that was cut off goes on where it was, at once and in a later try', async () => {
    await using opened = await open();
    const { hub, env, repository, contents } = opened;
    hub.cut('tokenizer.json', 1000);
    await fetchTokenizer('hf:me/tiny', env, nothing);
    expect(contents(hub.requests)).toContain(
      `GET /me/tiny/resolve/${COMMIT}/tokenizer.json bytes=1000-${tokenizer.length - 1}`,
    );
    // Nothing comes any more.
    hub.cut('onnx/model.onnx', 70_000);
    const failing = fetchModel('hf:me/tiny', env, (path, bytes) => {
      if (path === 'onnx/model.onnx' && bytes >= 65_536) hub.cut(path, 0, 3);
    });
    await expect(failing).rejects.toThrow(/onnx\/model\.onnx: .*; another try goes on where this one ended/);
    hub.requests.length = 0;
    await fetchModel('hf:me/tiny', env, nothing);
    const rest = contents(hub.requests).find((each) => each.includes('onnx/model.onnx bytes='));
    expect(rest).toMatch(new RegExp(`bytes=[1-9]\\d*-${model.length - 1}$`));
    expect(await readFile(join(repository, 'snapshots', COMMIT, 'onnx/model.onnx'))).toEqual(model);
    expect((await readdir(join(repository, 'blobs'))).filter((name) => name.endsWith('.incomplete'))).toEqual(
      [],
    );
  });

  it('whose bytes are others is thrown away', async () => {
    await using opened = await open();
    const { hub, env, repository } = opened;
    const damaged = Buffer.from(model);
    damaged[1000] ^= 1;
    hub.sent.set('onnx/model.onnx', damaged);
    await expect(fetchModel('hf:me/tiny', env, nothing)).rejects.toThrow(
      /me\/tiny: onnx\/model\.onnx: expected the hash [0-9a-f]{64}, got [0-9a-f]{64}; what came is thrown away/,
    );
    expect(await stat(join(repository, 'snapshots', COMMIT, 'onnx/model.onnx')).catch(() => 'none')).toBe(
      'none',
    );
    hub.sent.set('onnx/model.onnx', model);
    hub.sent.set('config.json', Buffer.from('{"id2label": {"0": "pos", "1": "neg"}}'));
    await fetchModel('hf:me/tiny', env, nothing);
  });

  it('that cannot be had says why', async () => {
    await using opened = await open({
      'onnx/model.onnx_data_1': Buffer.from('x'),
      '../outside.onnx': Buffer.from('x'),
    });
    const { hub, env } = opened;
    await expect(fetchModel('hf:me/other', env, nothing)).rejects.toThrow(
      /^hf:me\/other: Repository not found/,
    );
    await expect(fetchModel('hf:me/tiny/../outside.onnx', env, nothing)).rejects.toThrow(
      'hf: expected a name within the repository, got "../outside.onnx"',
    );
    await hub[Symbol.asyncDispose]();
    await expect(fetchModel('hf:me/tiny', env, nothing)).rejects.toThrow(
      /^hf:me\/tiny: fetch failed \(.+\)$/,
    );
    await expect(fetchModel('hf:me/tiny', { ...env, HF_HUB_OFFLINE: '1' }, nothing)).rejects.toThrow(
      'hf:me/tiny: HF_HUB_OFFLINE is set',
    );
  });
});

describe('names', () => {
  test.each([
    ['hf:me/tiny', { repository: 'me/tiny', revision: 'main', path: '' }],
    [
      'hf:me/tiny.v2@v1.0/onnx/model.onnx',
      { repository: 'me/tiny.v2', revision: 'v1.0', path: 'onnx/model.onnx' },
    ],
  ])('%s', (name, parsed) => {
    expect(parseHubName(name)).toEqual(parsed);
  });

  test.each(['hf:tiny', 'hf:', 'hf:me/tiny@', 'hf:/me/tiny'])('%s is none', (name) => {
    expect(() => parseHubName(name)).toThrow(`hf: expected hf:owner/name[@revision][/file], got ${name}`);
  });

  it('without a file mean model.onnx, or the only one', () => {
    const tiny = parseHubName('hf:me/tiny');
    expect(modelFileOf(['onnx/model.onnx', 'onnx/model_int8.onnx'], tiny)).toBe('onnx/model.onnx');
    expect(modelFileOf(['weights.onnx', 'README.md'], tiny)).toBe('weights.onnx');
    expect(modelFileOf(['cpu/a.onnx', 'cuda/b.onnx'], parseHubName('hf:me/tiny/cuda'))).toBe('cuda/b.onnx');
    expect(() => modelFileOf(['a.onnx', 'b.onnx'], tiny)).toThrow(
      'hf: expected an ONNX file, got a.onnx, b.onnx: name one',
    );
    expect(() => modelFileOf(['README.md'], tiny)).toThrow('hf: expected an ONNX file, got none in me/tiny');
  });
});
