// Which rates are fair to each strategy: a head on states kept once, seeds that no other figure uses, chosen by the loss on the rows that
// are trained on. `npm exec -- node examples/text-classification/grid.ts`
import { follow, type Measured, type Setting } from './course.ts';
import { mezo, mezoSvrg, onHead } from './settings.ts';
import { openStates } from './states.ts';

const SEEDS = [4n, 5n, 6n];

/** More steps than there are: a look before the first and one behind the last. */
const NEVER = 1e6;

const grid: readonly Setting[] = [
  ...product([1, 2, 4, 8, 16, 32], [0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1]).map(([batchSize, rate]) => ({
    name: `mezo b ${batchSize}, ${rate}`,
    ...onHead,
    batchSize,
    every: NEVER,
    strategy: mezo(rate),
  })),
  ...product([1, 8], [2, 5, 10], [8, 32, 128, undefined], [0.02, 0.05, 0.1], [0.005, 0.01]).map(
    ([batchSize, q, anchorRows, eta1, eta2]) => ({
      name: `mezo-svrg b ${batchSize}, q ${q}, anchors of ${anchorRows ?? 'all'} rows, ${eta1} and ${eta2}`,
      ...onHead,
      batchSize,
      every: NEVER,
      strategy: mezoSvrg({ q, anchorRows, eta1, eta2 }),
    }),
  ),
];

const states = await openStates();
await using zeroth = states.zeroth;
console.log('| setting | loss on training rows | on held-out rows | held-out accuracy |\n|---|---|---|---|');
for (const setting of grid) {
  const outcomes: Measured[] = [];
  for (const seed of SEEDS) outcomes.push(await follow(zeroth, { ...states, setting, seed }));
  const mean = (of: (each: Measured) => number | undefined) =>
    outcomes.reduce((sum, each) => sum + (of(each) ?? Number.NaN), 0) / outcomes.length;
  const accuracy = mean(({ looks }) => looks.at(-1)?.[2]);
  console.log(
    `| ${setting.name} | ${mean((each) => each.trainLoss).toFixed(3)} | ${mean((each) => each.heldOutLoss).toFixed(3)} | ${(100 * accuracy).toFixed(1)} % |`,
  );
}

/** Every choice of one of each. */
function product<const Lists extends readonly (readonly unknown[])[]>(...lists: Lists) {
  return lists.reduce<unknown[][]>(
    (chosen, list) => chosen.flatMap((before) => list.map((each) => [...before, each])),
    [[]],
  ) as { -readonly [K in keyof Lists]: Lists[K][number] }[];
}
