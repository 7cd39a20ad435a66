// Whether the committed messages of examples/python are those of proto/. Making them takes Python; generate.py writes down of which files it
// has made them, and comparing that takes nothing.
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const PACKAGE = 'examples/python';
const RECORD = `${PACKAGE}/src/zeroth/wire/proto.sha256`;
const REMEDY = `run ${PACKAGE}/generate.py, whose first lines say how`;

/** @returns what differs, a line each, and what to do about it. */
export function stalePythonStubs(root = '.'): string[] {
  const file = join(root, RECORD);
  const made = existsSync(file) ? parse(readFileSync(file, 'utf8')) : new Map<string, string>();
  const now = digests(join(root, 'proto'));
  const names = [...new Set([...now.keys(), ...made.keys()])].sort();
  return names
    .filter((name) => now.get(name) !== made.get(name))
    .map((name) => `${PACKAGE}/src/zeroth/wire is not that of proto/${name}: ${REMEDY}`);
}

/** As sha256sum writes them. */
function parse(text: string): Map<string, string> {
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

/** Of the text with LF, which a checkout may have with CRLF. */
function digests(proto: string): Map<string, string> {
  const names = globSync('zeroth/v1/*.proto', { cwd: proto }).map((name) => name.replaceAll('\\', '/'));
  return new Map(
    names.map((name) => {
      const text = readFileSync(join(proto, name), 'utf8').replaceAll('\r\n', '\n');
      return [name, createHash('sha256').update(text).digest('hex')];
    }),
  );
}
