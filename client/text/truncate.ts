// Which tokens of a pair stay: "longest_first", as the library tokenizers has it.

/**
 * How many tokens of either text fit into `room` together: the longer one gives way until both are as long, and then
 * both do, the second with the odd token.
 * @param second 0 where there is one text.
 */
export function truncatedLengths(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  if (second === 0) return [room, 0];
  const shorter = Math.min(first, second);
  const longer = shorter > room ? shorter : Math.max(shorter, room - shorter);
  const half = Math.floor(room / 2);
  const [least, most] = shorter + longer > room ? [half, half + (room % 2)] : [shorter, longer];
  return first > second ? [most, least] : [least, most];
}
