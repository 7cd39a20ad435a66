import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { helpText, limitsOf, loadConfig } from '../server/config.ts';
import { ZerothError } from '../server/errors.ts';
import { environmentOf, flagOf, settingNames, settings } from '../server/settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'zeroth-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

/** The path of a new config file, as somebody in the current directory would write it. */
function fileOf(content: unknown): string {
  const path = join(folder, `${++files}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return relative(process.cwd(), path);
}

function failure(args: string[], env: Record<string, string> = {}): ZerothError {
  try {
    loadConfig(args, env);
  } catch (error) {
    if (error instanceof ZerothError) return error;
    throw error;
  }
  throw new Error('expected a ZerothError, got a config');
}

describe('the config', () => {
  test('is the defaults where nothing is set, and they keep their own relations', () => {
    const config = loadConfig([], {});
    for (const name of settingNames) expect(config[name]).toBe(settings[name].default);
    expect(config).toMatchObject({ host: '127.0.0.1', port: 50051, modelDir: './models', dataDir: './data' });
    expect(config.threads).toBe(availableParallelism());
    expect(config.messageBytesMax).toBe(4_194_304);
  });

  test('is frozen', () => {
    const config = loadConfig([], {});
    expect(Object.isFrozen(config)).toBe(true);
    expect(() => Object.assign(config, { port: 1 })).toThrow(TypeError);
  });

  test('takes flags before the environment before the file before defaults', () => {
    const file = fileOf({ port: 1, host: 'file', modelsMax: 3, threads: 7 });
    const env = { ZEROTH_CONFIG: file, ZEROTH_PORT: '2', ZEROTH_HOST: 'env', PATH: '/bin' };
    const config = loadConfig(['--port', '3', '--log-level=silent'], env);
    expect(config).toMatchObject({ port: 3, host: 'env', modelsMax: 3, threads: 7, logLevel: 'silent' });
  });

  test('takes the file of the flag before that of the environment', () => {
    const env = { ZEROTH_CONFIG: fileOf({ port: 1 }) };
    expect(loadConfig(['--config', fileOf({ port: 2 })], env).port).toBe(2);
  });

  test('counts an empty variable as not set', () => {
    expect(loadConfig([], { ZEROTH_PORT: '', ZEROTH_CONFIG: '' }).port).toBe(50051);
  });

  test.for(['65536', '64KiB'])('takes a size as bytes or with a unit: %s', (size) => {
    expect(loadConfig(['--chunk-bytes', size], {}).chunkBytes).toBe(65_536);
  });

  test('takes a size in the file as a number or with a unit', () => {
    const file = fileOf({ chunkBytes: 65_536, weightsBytesMax: '3GiB', dataDir: ':memory:' });
    const config = loadConfig([`--config=${file}`], {});
    expect(config).toMatchObject({
      chunkBytes: 65_536,
      weightsBytesMax: 3 * 2 ** 30,
      dataDir: ':memory:',
    });
  });

  test('has a flag and a variable for every setting, and help that lists them all', () => {
    expect([flagOf('rowsPerMicroBatchMax'), environmentOf('rowsPerMicroBatchMax')]).toEqual([
      '--rows-per-micro-batch-max',
      'ZEROTH_ROWS_PER_MICRO_BATCH_MAX',
    ]);
    for (const name of settingNames) {
      expect(helpText()).toContain(`  ${flagOf(name)} `);
      expect(helpText().replace(/\s+/g, ' ')).toContain(settings[name].help);
      const value = String(settings[name].default);
      expect(loadConfig([flagOf(name), value], {})[name]).toBe(settings[name].default);
      expect(loadConfig([], { [environmentOf(name)]: value })[name]).toBe(settings[name].default);
    }
  });

  test('reports the limits, each a number named for its unit or Max, and nothing else', () => {
    const limits = limitsOf(loadConfig(['--models-max', '2'], {}));
    expect(Object.keys(limits)).toHaveLength(36);
    expect(limits).toMatchObject({ modelsMax: 2, pageSizeMax: 1000, chunkBytes: 262_144 });
    for (const name of Object.keys(limits)) expect(name).toMatch(/(Max|Bytes)$/);
  });
});

const port = 'an integer from 0 to 65535';
const chunkBytes = 'a number of bytes (or with a unit, as 64KiB) from 1 to 2147483647';

describe('a setting that is wrong is named with its source', () => {
  test.for<[string[], string]>([
    [['--port', 'abc'], `port, from --port: expected ${port}, got "abc"`],
    [['--port=65536'], `port, from --port: expected ${port}, got "65536"`],
    [['--port', '-1'], `port, from --port: expected ${port}, got "-1"`],
    [['--port', '1.5'], `port, from --port: expected ${port}, got "1.5"`],
    [['--port', '1KiB'], `port, from --port: expected ${port}, got "1KiB"`],
    [['--port'], 'port, from --port: expected a value, got nothing'],
    [['--port', '--host', 'a'], 'port, from --port: expected a value, got --host'],
    [['--config'], 'config, from --config: expected a value, got nothing'],
    [['--host='], 'host, from --host: expected a text that is not empty, got ""'],
    [['--chunk-bytes', '64kb'], `chunkBytes, from --chunk-bytes: expected ${chunkBytes}, got "64kb"`],
    [['--chunk-bytes', '0'], `chunkBytes, from --chunk-bytes: expected ${chunkBytes}, got "0"`],
    [['--log-format', 'xml'], 'logFormat, from --log-format: expected one of auto, json, pretty, got "xml"'],
    [
      ['--rows-per-micro-batch-max', '0'],
      'rowsPerMicroBatchMax, from --rows-per-micro-batch-max: expected an integer from 1 to 2147483647, got "0"',
    ],
    [
      ['--page-size-max', '1001'],
      'pageSizeMax, from --page-size-max: expected an integer from 1 to 1000, got "1001"',
    ],
    [['--prot', '1'], 'flags, from the command line: expected flags that --help lists, got --prot'],
    [['-p', '1'], 'flags, from the command line: expected flags that --help lists, got -p'],
    [['serve'], 'flags, from the command line: expected flags that --help lists, got serve'],
  ])('flags %j', ([args, message]) => {
    const error = failure(args);
    expect([error.kind, error.message]).toEqual(['invalid-argument', message]);
  });

  test('the environment', () => {
    const error = failure([], { ZEROTH_THREADS: 'many' });
    expect(error.message).toBe(
      'threads, from ZEROTH_THREADS: expected an integer from 1 to 1024, got "many"',
    );
    expect(error.details.field).toBe('threads');
  });

  test.for<[unknown, string]>([
    [{ port: '50051' }, `port, from FILE: expected ${port}, got "50051"`],
    [{ port: null }, `port, from FILE: expected ${port}, got null`],
    [{ host: 1 }, 'host, from FILE: expected a text that is not empty, got 1'],
    [{ chunkBytes: '64' }, `chunkBytes, from FILE: expected ${chunkBytes}, got "64"`],
    [
      { 'chunk-bytes': 64 },
      'chunk-bytes, from FILE: expected a setting that --help lists, in camelCase, got this key',
    ],
    [[1], 'config, from FILE: expected a JSON object of settings, got [1]'],
  ])('the file %j', ([content, message]) => {
    const file = fileOf(content);
    expect(failure(['--config', file]).message).toBe(message.replace('FILE', file));
  });

  test('a file that cannot be read or is not JSON', () => {
    expect(failure(['--config', 'none.json']).message).toBe(
      "config, from none.json: expected a readable JSON file, got ENOENT: no such file or directory, open 'none.json'",
    );
    const file = fileOf('{"port": }');
    expect(failure(['--config', file]).message).toContain(
      `config, from ${file}: expected a readable JSON file, got `,
    );
  });
});

test.for<[string[], string]>([
  [
    ['--chunk-bytes', '4MiB'],
    'chunkBytes: expected at most messageBytesMax less 4096, which is 4190208, got 4194304',
  ],
  [
    ['--message-bytes-max', '1MiB'],
    'replyBytesMax: expected at most messageBytesMax less 4096, which is 1044480, got 4128768',
  ],
  [['--queue-per-model-max', '8'], 'queuePerRunMax: expected at most queuePerModelMax, which is 8, got 256'],
])('limits that contradict each other are refused: %j', ([args, message]) => {
  expect(failure(args).message).toBe(message);
});
