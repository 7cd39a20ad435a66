// Plain data as text: the state of a strategy, and the actions that a run has yet to be told.

/**
 * JSON, with seeds as decimal strings. In a state whatever is called `seed` is a bigint, and nothing
 * else is; numbers are finite. Anything else is a bug of the strategy.
 */
export function encodeState(state: unknown): string {
  return JSON.stringify(state, (key, value: unknown) => {
    if ((typeof value === 'bigint') !== (key === 'seed') || Object.is(value, -0) || isUnknown(value))
      throw new TypeError(`state: expected seeds and finite numbers, got ${String(value)} at ${key}`);
    return typeof value === 'bigint' ? String(value) : value;
  });
}

/** What `encodeState` was given, bit for bit. */
export function decodeState<State>(text: string): State {
  return JSON.parse(text, (key, value: unknown) =>
    key === 'seed' ? BigInt(value as string) : value,
  ) as State;
}

function isUnknown(value: unknown): boolean {
  return typeof value === 'number' && !Number.isFinite(value);
}
