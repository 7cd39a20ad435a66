// Plans, statuses and events as text. JSON, but that seeds are decimal strings, and numbers that are none (the loss of a step that had
// none) are written out.
const SPECIAL = /^number:(NaN|-?Infinity|-0)$/;

export function encode(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'bigint') return `${each}`;
    const isSpecial = typeof each === 'number' && (!Number.isFinite(each) || Object.is(each, -0));
    return isSpecial ? `number:${Object.is(each, -0) ? '-0' : each}` : each;
  });
}

/** Whatever is called `seed` is a bigint. */
export function decode<Value>(text: string): Value {
  return JSON.parse(text, (key, each: unknown) => {
    if (typeof each !== 'string') return each;
    if (key === 'seed') return BigInt(each);
    const [, special] = SPECIAL.exec(each) ?? [];
    return special === undefined ? each : Number(special);
  }) as Value;
}
