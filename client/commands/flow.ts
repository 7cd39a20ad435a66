// Text in lines that fit: what does not go on a line begins the next one.
import { stripVTControlCharacters } from 'node:util';

/** Of a page that nobody has said the width of. */
export const WIDTH = 80;

/** @param parts which stay whole; control sequences take no room. */
export function flow(parts: readonly string[], separator: string, width: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    const longer = last === undefined ? part : `${last}${separator}${part}`;
    if (last !== undefined && widthOf(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines;
}

/** The words of a text, every line but the first behind an indent; the first one has as much in front of it already. */
export function paragraph(text: string, width: number, indent: number): string {
  return flow(text.split(' '), ' ', width - indent).join(`\n${' '.repeat(indent)}`);
}

export function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}
