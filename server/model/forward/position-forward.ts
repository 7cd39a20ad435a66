// Forward passes of a graph with positions (positions.ts): for everybody else they are those of the file's own graph.
import type { BoundForward, Feeds, Forward } from '../../runtime/runtime.ts';
import type { Described, Tensor } from '../../tensor.ts';
import type { HeadPositions } from '../graph/positions.ts';

/** The output of which a pass computes chosen positions only. */
export type ChosenPositions = {
  readonly output: string;
  /** The output as the file's graph has it: [rows, sequence, width]. */
  whole(feeds: Feeds): Described;
  /**
   * Feeds whose pass gives the output of these positions, as [1, positions, width].
   * @param positions Of the whole output's rows x sequence.
   */
  at(feeds: Feeds, positions: Int32Array): Feeds;
};

/** Something that runs forward, and may be told which positions of an output are wanted. */
export type PositionForward = Forward & { readonly chosen?: ChosenPositions };

/** Where only chosen positions are computed; not of an output that is returned, which has to be whole. */
export function chosenOf(
  { chosen }: PositionForward,
  { output, outputs }: { readonly output: string; readonly outputs: readonly string[] },
): ChosenPositions | undefined {
  return chosen?.output === output && !outputs.includes(output) ? chosen : undefined;
}

/** Where nobody has chosen, all positions are computed for a pass that hands the output out, and one for any other. */
export function byPosition(
  forward: BoundForward,
  { input, output, dataType, sizes, width }: HeadPositions,
): PositionForward & BoundForward {
  const shapeOf = (feeds: Feeds) =>
    sizes.map((size) => (typeof size === 'number' ? size : feeds[size.input].shape[size.axis]));
  const fed = (feeds: Feeds, shape: readonly number[], positions: Int32Array): Feeds => ({
    ...feeds,
    [input]: int32(shape, positions),
  });
  const toFeeds = (feeds: Feeds, outputs: readonly string[]): Feeds => {
    if (input in feeds) return feeds;
    const shape = outputs.includes(output) ? shapeOf(feeds) : [1, 1];
    return fed(feeds, shape, upTo(shape[0] * shape[1]));
  };
  return {
    chosen: {
      output,
      whole: (feeds) => ({ dataType, shape: [...shapeOf(feeds), width] }),
      at: (feeds, positions) => fed(feeds, [1, positions.length], positions),
    },
    run: (feeds, outputs) => forward.run(toFeeds(feeds, outputs), outputs),
    ...(forward.runWith && {
      runWith: (feeds, outputs, kept, use) =>
        forward.runWith!(toFeeds(feeds, [...outputs, ...kept]), outputs, kept, use),
    }),
    [Symbol.dispose]: () => forward[Symbol.dispose](),
  };
}

/** 0, 1, ... */
export function upTo(end: number): Int32Array {
  return Int32Array.from({ length: end }, (_, i) => i);
}

export function int32(shape: readonly number[], values: Int32Array): Tensor {
  return { dataType: 'int32', shape, data: new Uint8Array(values.buffer) };
}
