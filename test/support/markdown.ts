// Documents of the repository: which there are, and what of them is a link, a heading, or code within a sentence.
import { globSync, readFileSync } from 'node:fs';

/** Those that are read by whoever uses it. */
export const documents = globSync(['*.md', 'docs/*.md', 'examples/*/*.md', 'bench/**/*.md']).sort();

const FENCED = /^```[^\n]*\n(.*?)^```/gms;

export const textOf = (file: string) => readFileSync(file, 'utf8');

/** Targets of links and images. */
export function linksOf(text: string): string[] {
  const prose = text.replace(FENCED, '').replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
}

/** Code within sentences. */
export const codeOf = (text: string) =>
  [...text.replace(FENCED, '').matchAll(/`([^`\n]+)`/g)].map(([, code]) => code);

/** As GitHub names headings: lower case, hyphens for spaces, no punctuation, and a number where a name comes again. */
export function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  const headings = text.replace(FENCED, '').matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, heading]) => {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    return before === 0 ? slug : `${slug}-${before}`;
  });
}
