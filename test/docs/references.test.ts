// What documents refer to is there: links, files, scripts, calls, messages, settings and flags.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { definitionsOf } from '../../client/commands/program.ts';
import { REASONS } from '../../client/reasons.ts';
import { environmentOf, flagOf, settingNames } from '../../server/settings.ts';
import { anchorsOf, codeOf, documents, linksOf, textOf } from '../support/markdown.ts';

const pages = documents.map((file) => ({ file, text: textOf(file) }));

/** What of a kind of words is nowhere, with the document that has it. */
function unknown(
  wordsOf: (text: string) => Iterable<string>,
  isKnown: (word: string) => boolean,
  of = pages,
): string[] {
  return of.flatMap(({ file, text }) =>
    [...wordsOf(text)].filter((word) => !isKnown(word)).map((word) => `${file}: ${word}`),
  );
}

const matches = (pattern: RegExp) => (text: string) =>
  [...text.matchAll(pattern)].map(([all, first]) => first ?? all);

describe('links', () => {
  const isFar = (target: string) => /^(https?|mailto):/.test(target);

  test.each(pages)('of $file lead somewhere', ({ file, text }) => {
    const broken = linksOf(text).filter((target) => {
      if (isFar(target)) return false;
      const [path, anchor] = target.split('#');
      const to = path === '' ? file : join(dirname(file), path);
      return !existsSync(to) || (anchor !== undefined && !anchorsOf(textOf(to)).includes(anchor));
    });
    expect(broken).toEqual([]);
  });

  test('there are such links, and headings that they name', () => {
    expect(pages.flatMap(({ text }) => linksOf(text)).length).toBeGreaterThan(50);
    expect(anchorsOf('# `a`: b, c\n## A b\n## A b\n')).toEqual(['a-b-c', 'a-b', 'a-b-1']);
  });
});

test('files that are named from the root exist', () => {
  const named = (text: string) =>
    codeOf(text).filter((code) =>
      /^(server|client|test|docs|examples|bench|scripts|proto)\/[\w./*-]+$/.test(code),
    );
  const present = pages.filter(({ file }) => file !== 'CHANGELOG.md');
  const isThere = (path: string) => globSync(path).length > 0 || isIgnored(path);
  expect(unknown(named, isThere, present)).toEqual([]);
});

/** Made by commands. */
const isIgnored = (path: string) => /(^|\/)(build|data|dist)(\/|$)/.test(path);

test('scripts that npm is to run exist', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: object };
  const run = matches(/\bnpm run (?:-s )?([a-z][\w:-]*)/g);
  expect(unknown(run, (name) => name in scripts)).toEqual([]);
});

describe('the contract', () => {
  const proto = globSync('proto/zeroth/v1/*.proto').map(textOf).join('\n');
  const blocks = proto.matchAll(/^(?:message|service|enum) (\w+) \{(?:\}$|\n(.*?)^\})/gms);
  const bodies = new Map([...blocks].map(([, name, body = '']) => [name, body]));
  const callsOf = (service: string) =>
    [...(bodies.get(service) ?? '').matchAll(/^ {2}rpc (\w+)/gm)].map(([, name]) => name);
  const services = [...bodies.keys()].filter((name) => name.endsWith('Service'));
  const calls = services.flatMap(callsOf);

  test('README.md has all services and calls, and no others', () => {
    const rows = [...textOf('README.md').matchAll(/^\| `(\w+Service)` \| (.*) \|$/gm)];
    const listed = rows.map(([, service, cell]) => {
      const words = cell.replace(/ \([^)]*(\([^)]*\))?[^)]*\)/g, '').split(/[;:]/)[0];
      return [service, words.split(', ').sort()];
    });
    const wanted = services.map((service) => [service, callsOf(service).sort()]);
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(wanted));
  });

  test('calls that are named with their service exist', () => {
    const isKnown = (path: string) => {
      const [service, call] = path.split(/[./]/);
      return callsOf(service).includes(call);
    };
    expect(unknown(matches(/\b([A-Z]\w+Service[./][A-Z]\w+)/g), isKnown)).toEqual([]);
  });

  test('fields that are named with their message exist', () => {
    const isKnown = (path: string) => {
      const [name, field] = path.split('.');
      const messages = calls.includes(name) ? [`${name}Request`, `${name}Response`] : [name];
      return messages.some((each) => new RegExp(`\\b${field} = \\d`).test(bodies.get(each) ?? ''));
    };
    const named = (text: string) =>
      codeOf(text).filter((code) => /^[A-Z]\w+\.[a-z_]+$/.test(code) && !/^(NAME|ArrayBuffer)\./.test(code));
    expect(unknown(named, isKnown)).toEqual([]);
  });

  test('values and reasons in capitals exist', () => {
    const others = /^(NO_COLOR|FORCE_COLOR|VK_\w+|LD_\w+|ZEROTH_\w+)$/;
    const isKnown = (word: string) =>
      word in REASONS || word in status || others.test(word) || new RegExp(`\\b${word}\\b`).test(proto);
    const named = (text: string) => codeOf(text).filter((code) => /^[A-Z]+(_[A-Z0-9]+)+$/.test(code));
    expect(unknown(named, isKnown)).toEqual([]);
  });
});

/** Flags of other programs that stand alone in sentences. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  'bench/results/strategies.md': ['--fresh'],
  'docs/command.md': ['--ouf'],
  'docs/gpu.md': ['--check', '--libraries'],
  'docs/security.md': ['--reflect-header'],
  'docs/typescript-client.md': ['--ignore-scripts'],
  'examples/go/README.md': ['--go'],
  'examples/text-classification/README.md': ['--states'],
};

describe('settings and flags', () => {
  const apply = () => Promise.reject(new Error('expected a look at its flags, got a call'));
  const definitions = definitionsOf({ apply });
  const common = ['--help', '--version', '--json', '--no-color'];
  const settings = [...settingNames.map(flagOf), '--config'];

  /** Of `models` those of `models load` too; of an empty name all that there are. */
  function flagsOf(command: string): string[] {
    if (command === 'serve') return [...settings, ...common];
    const found = definitions.filter(({ usage }) => command === '' || usage.split(' ')[0] === command);
    const names = found.flatMap(({ flags }) => Object.values(flags).flatMap(Object.keys));
    const dashed = names.map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
    return [...dashed, ...common, ...(command === '' ? settings : [])];
  }

  /** Command lines of blocks and sentences, and flags that stand for themselves in sentences. */
  function* commandsOf(text: string): Generator<{ readonly command: string; readonly rest: string }> {
    const lines = [...text.replace(/\\\n\s*/g, '').split('\n'), ...codeOf(text)];
    for (const line of lines) {
      const zeroth =
        /^(?:\$ )?(?:ZEROTH_\w+= )?(?:npx |npm run (?:-s )?)?zeroth (?:-- )?([a-z]+)\b([^#,;|>&]*)/.exec(
          line,
        );
      if (zeroth !== null) yield { command: zeroth[1], rest: zeroth[2] };
      const start = /^npm start -- ([^#]*)/.exec(line);
      if (start !== null) yield { command: 'serve', rest: start[1] };
      if (line.startsWith('--')) yield { command: '', rest: line };
    }
  }

  test('commands of zeroth exist, with these flags', () => {
    const names = new Set(['serve', 'help', '', ...definitions.map(({ usage }) => usage.split(' ')[0])]);
    const seen = new Set<string>();
    const wrong = pages.flatMap(({ file, text }) =>
      [...commandsOf(text)].flatMap(({ command, rest }) => {
        if (!names.has(command)) return [`${file}: zeroth ${command}`];
        const flags = rest.match(/(?<![\w-])--[a-z][a-z0-9-]*/g) ?? [];
        for (const flag of flags) seen.add(flag);
        const known = [...flagsOf(command), ...(ELSEWHERE[file] ?? [])];
        return flags.filter((flag) => !known.includes(flag)).map((flag) => `${file}: ${command} ${flag}`);
      }),
    );
    expect(wrong).toEqual([]);
    expect(seen.size).toBeGreaterThan(50);
  });

  test('environment variables of zeroth exist', () => {
    const readers = ['client/commands/help.ts', 'test/clients/toolchain.ts'].map(textOf).join('\n');
    const known = new Set<string>([...settingNames.map(environmentOf), 'ZEROTH_CONFIG']);
    const isKnown = (name: string) => known.has(name) || new RegExp(`\\b${name}\\b`).test(readers);
    expect(unknown(matches(/\bZEROTH_[A-Z_]+\b/g), isKnown)).toEqual([]);
  });

  test('settings that are named as keys of the file exist', () => {
    const keys = (text: string) =>
      codeOf(text).filter((code) => /^[a-z]+([A-Z][a-z]+)*(Max|Ms|Bytes|Dir)$/.test(code));
    const ofConnect = ['keepaliveMs', 'timeoutMs', 'receiveBytesMax'];
    const isKnown = (name: string) => settingNames.some((each) => each === name) || ofConnect.includes(name);
    expect(unknown(keys, isKnown)).toEqual([]);
  });
});
