// Templates of prompts: `{text} It was {label}.`
import { invalid } from '../../server/errors.ts';

export type Template = {
  /** The names in braces, in order. */
  readonly names: readonly string[];
  /** @param textOf what stands for a name. */
  fill(textOf: (name: string) => string): string;
  /** What comes before a name; the whole where it has none of it. */
  before(name: string): Template;
};

type Piece = { readonly kind: 'text' | 'name'; readonly value: string };

/**
 * Names in braces stand for columns; `{{` and `}}` for the braces themselves.
 * @throws ZerothError invalid-argument where a brace has no other.
 */
export function parseTemplate(source: string): Template {
  const pieces: Piece[] = [];
  for (const [part, text, name] of source.matchAll(/((?:[^{}]|\{\{|\}\})+)|\{([^{}]+)\}|[{}]/g)) {
    if (text !== undefined)
      pieces.push({ kind: 'text', value: text.replaceAll('{{', '{').replaceAll('}}', '}') });
    else if (name !== undefined) pieces.push({ kind: 'name', value: name.trim() });
    else
      throw invalid('template', `names in braces, and {{ or }} for a brace`, `a single ${part} in ${source}`);
  }
  return toTemplate(pieces);
}

function toTemplate(pieces: readonly Piece[]): Template {
  return {
    names: pieces.filter(({ kind }) => kind === 'name').map(({ value }) => value),
    fill: (textOf) => pieces.map(({ kind, value }) => (kind === 'text' ? value : textOf(value))).join(''),
    before(name) {
      const at = pieces.findIndex(({ kind, value }) => kind === 'name' && value === name);
      return toTemplate(at === -1 ? pieces : pieces.slice(0, at));
    },
  };
}
