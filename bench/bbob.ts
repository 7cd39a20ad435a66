// What CMA-ES of server/study needs on BBOB functions, beside pycma: bench/results/bbob.md.
import { againstPycma, runsOf, tasks } from './bbob/runs.ts';
import type { Bench } from './bench.ts';

export const bbobBenches: readonly Bench[] = tasks.flatMap((task) => [
  {
    name: `bbob.${task.name}`,
    unit: 'evaluations',
    run: async (report) => {
      for (const { evaluations, reached } of runsOf(task)) report(reached ? evaluations : Infinity);
    },
  },
  {
    name: `bbob.${task.name}.against-pycma`,
    unit: 'ERT/ERT',
    run: async (report) => report(againstPycma(task)),
  },
]);
