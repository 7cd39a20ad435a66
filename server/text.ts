// Plans, statuses and events as text. JSON, but that seeds are decimal strings, and numbers that are none (the loss of a step that had
// none) are written out. Words that could be taken for either are marked.
const SPECIAL = /^number:(NaN|-?Infinity|-0)$/;
const NUMBER = 'number:';
const WORD = 'number:text:';

export function encode(value: unknown): string {
  return JSON.stringify(value, (key, each: unknown) => {
    if (typeof each === 'bigint') return `${each}`;
    if (typeof each === 'string') return key === 'seed' || each.startsWith(NUMBER) ? `${WORD}${each}` : each;
    const isSpecial = typeof each === 'number' && (!Number.isFinite(each) || Object.is(each, -0));
    return isSpecial ? `${NUMBER}${Object.is(each, -0) ? '-0' : each}` : each;
  });
}

/** Whatever is called `seed` is a bigint, or a word that is marked. */
export function decode<Value>(text: string): Value {
  return JSON.parse(text, (key, each: unknown) => {
    if (typeof each !== 'string') return each;
    if (each.startsWith(WORD)) return each.slice(WORD.length);
    if (key === 'seed') return BigInt(each);
    const [, special] = SPECIAL.exec(each) ?? [];
    return special === undefined ? each : Number(special);
  }) as Value;
}
