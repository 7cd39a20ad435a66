// Code in documents: what readers copy is what tests run.
import { readFileSync } from 'node:fs';

/** The blocks of a language, in their order. */
export function blocksOf(file: string, language: string): string[] {
  const blocks = readFileSync(file, 'utf8').matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'));
  return [...blocks].map(([, block]) => block);
}

/** What a program says it prints, in comments behind what prints it: a line each, or words of one line for loops. */
export function printedBy(program: string): string {
  return [...program.matchAll(/\/\/ prints: (.*)$/gm)].map(([, text]) => text).join(' ');
}
