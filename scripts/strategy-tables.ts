// The options of every strategy into docs/strategies.md, from the tables that the server checks them
// with. With --check nothing changes, and a stale page is named.
import { readFileSync, writeFileSync } from 'node:fs';
import { expectedOf, type Field, type Fields } from '../server/strategy/fields.ts';
import { strategyNames, strategyOf } from '../server/strategy/index.ts';

const PAGE = 'docs/strategies.md';

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function defaultOf({ presence, otherwise }: Field): string {
  if (otherwise !== undefined) return `\`${otherwise}\``;
  return presence === 'required' ? 'required' : '';
}

/** A group is a row for itself and one for each of its options. */
function rows(fields: Fields, prefix = ''): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const path = `${prefix}${snake(name)}`;
    const { type, doc } = field;
    if (type.kind === 'seed') return [];
    const expected = type.kind === 'group' ? '' : expectedOf(type).replace(/^a finite /, 'a ');
    const row = `| \`${path}\` | ${expected} | ${defaultOf(field)} | ${doc} |`;
    return type.kind === 'group' ? [row, ...rows(type.fields, `${path}.`)] : [row];
  });
}

function section(name: (typeof strategyNames)[number]): string {
  const { title, paper, doc, cost, table, fields } = strategyOf(name);
  const directions = table === 'rademacher' ? ' The run should have the Rademacher table.' : '';
  return [
    `### ${name}`,
    `${title} (${paper}). ${doc}${directions} Examples forwarded a step: ${cost}.`,
    '',
    '| option | what it may be | default | |',
    '|---|---|---|---|',
    ...rows(fields),
  ].join('\n');
}

const BEGIN = '<!-- From here by scripts/strategy-tables.ts, to the end. -->\n';
const [before] = readFileSync(PAGE, 'utf8').split(BEGIN);
const fresh = `${before}${BEGIN}\n${strategyNames.map(section).join('\n\n')}\n`;
if (process.argv.includes('--check')) {
  const isStale = readFileSync(PAGE, 'utf8') !== fresh;
  if (isStale) console.error(`${PAGE} is stale: run npm run generate`);
  if (isStale) process.exitCode = 1;
} else writeFileSync(PAGE, fresh);
