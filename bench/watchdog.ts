// What the deadline of an operator's module costs each of its calls (server/model/deadline.ts): V8's watchdog, a thread for the time of the call.
import { withDeadline } from '../server/model/objective/deadline.ts';
import type { Bench } from './bench.ts';

const SAMPLES = 9;
const CALLS = 500;
/** None of them comes near it. */
const MS_MAX = 10_000;

export const watchdogBenches: readonly Bench[] = [
  { name: 'objective.call.watched', unit: 'us', run: async (report) => calls(MS_MAX, report) },
  { name: 'objective.call.unwatched', unit: 'us', run: async (report) => calls(0, report) },
];

function calls(msMax: number, report: (sample: number) => void): void {
  let sum = 0;
  for (let sample = -1; sample < SAMPLES; sample++) {
    const start = performance.now();
    for (let i = 0; i < CALLS; i++) sum += withDeadline(msMax, () => i);
    if (sample >= 0) report((1000 * (performance.now() - start)) / CALLS);
  }
  // Used, so that no call is left out.
  if (sum < 0) throw new Error('a sum of indices below 0');
}
