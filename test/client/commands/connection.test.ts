// How a command reaches a server: over TLS, as whom, and what it says where that does not do.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { Authority } from '../../support/certificates.ts';
import { type ServerProcess, startServerProcess, temporaryFolder } from '../../support/server-process.ts';
import { startZeroth } from './zeroth-process.ts';

const TOKEN = 'a-token-of-sixteen-letters';

const stack = new AsyncDisposableStack();
let folder: string;
let server: ServerProcess;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = stack.use(await temporaryFolder()).path;
  const authority = new Authority();
  const files = { ...authority.issue(), ca: authority.cert };
  for (const [name, text] of Object.entries(files)) await writeFile(at(`${name}.pem`), text);
  const { cert, key } = authority.issue('a client');
  await writeFile(at('client.pem'), cert);
  await writeFile(at('client-key.pem'), key);
  await writeFile(at('tokens'), `# whose: nobody's\n  # from: nowhere\n\n${TOKEN}\n`);
  await writeFile(at('wrong'), 'another-token-of-sixteen-letters\n');
  const tls = ['--tls-cert', at('cert.pem'), '--tls-key', at('key.pem'), '--tls-client-ca', at('ca.pem')];
  server = await startServerProcess(folder, [...tls, '--token-file', at('tokens')]);
  stack.defer(() => server.kill());
});
afterAll(() => stack.disposeAsync());

const models = (flags: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  startZeroth(['models', '--server', server.address, ...flags], env).ended;

const own = () => ['--tls-cert', at('client.pem'), '--tls-key', at('client-key.pem')];
const roots = () => ['--tls-ca', at('ca.pem')];

describe('a server with TLS and tokens', () => {
  it('is reached by flags, and by the environment', async () => {
    const wanted = { code: 0, stderr: '', stdout: expect.stringContaining('no model is loaded') };
    expect(await models([...roots(), ...own(), '--token-file', at('tokens')])).toEqual(wanted);
    const env = { ZEROTH_TLS_CA: at('ca.pem'), ZEROTH_TOKEN_FILE: at('tokens') };
    expect(await models(own(), env)).toEqual(wanted);
  });

  it('without a token, or with another one, ends with 5', async () => {
    for (const flags of [[], ['--token-file', at('wrong')]]) {
      const { code, stderr } = await models([...roots(), ...own(), ...flags]);
      expect([code, stderr]).toEqual([
        5,
        expect.stringMatching(/^zeroth models: .*\n--token-file FILE, or ZEROTH_TOKEN_FILE, names a file /),
      ]);
    }
  });

  it('in plain text, or with other roots, is not reached, which ends with 3', async () => {
    const plain = await models([]);
    expect([plain.code, plain.stderr]).toEqual([
      3,
      expect.stringMatching(
        /^zeroth models: no server answers at .*\na server with TLS is reached with --tls or --tls-ca FILE\n$/,
      ),
    ]);
    const others = await models(['--tls', ...own()]);
    expect([others.code, others.stderr]).toEqual([
      3,
      expect.stringMatching(
        /: self-signed certificate in certificate chain\n--tls-ca FILE names the root that vouches for its certificate\n$/,
      ),
    ]);
  });

  test.each<[string, () => string[], number, string]>([
    [
      'roots that are not there',
      () => ['--tls-ca', 'none.pem'],
      4,
      "zeroth models: --tls-ca: expected a readable file, got ENOENT: no such file or directory, open 'none.pem'\n",
    ],
    [
      'roots that are none',
      () => ['--tls-ca', at('tokens')],
      4,
      expect.stringMatching(/^zeroth models: --tls-ca: expected a file in PEM form, got /),
    ],
    [
      'a certificate without its key',
      () => ['--tls-cert', at('client.pem')],
      2,
      'zeroth models: --tls-cert: expected it together with --tls-key, got one of them\nzeroth models --help says what there is\n',
    ],
    [
      'a token in plain text to another machine',
      () => ['--token-file', at('tokens'), '--server', 'example.org:50051'],
      2,
      'zeroth models: --token-file: expected --tls or --tls-ca beside it, or an address on this machine, got plain text to example.org:50051\nzeroth models --help says what there is\n',
    ],
  ])('%s', async (_, flags, code, stderr) => {
    expect(await models(flags())).toEqual({ code, stdout: '', stderr });
  });
});

it('a server that a command starts for itself is its own, whatever the environment says of others', async () => {
  const env = {
    ZEROTH_TLS_CA: at('ca.pem'),
    ZEROTH_TLS_CERT: at('cert.pem'),
    ZEROTH_TLS_KEY: at('key.pem'),
    ZEROTH_TOKEN_FILE: at('tokens'),
  };
  const language = 'test/fixtures/language';
  await writeFile(at('rows.jsonl'), '{"text": "a dull film", "label": 0}\n');
  const files = ['--data', at('rows.jsonl'), '--tokenizer', `${language}/tokenizers/bert`];
  const model = ['--model', `${language}/distilbert-classification.onnx`];
  const { code, stderr } = await startZeroth(['eval', ...model, ...files, '--json'], env).ended;
  expect([code, stderr]).toEqual([0, '']);
});
