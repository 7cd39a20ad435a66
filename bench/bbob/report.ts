// bench/results/bbob.md: node bench/bbob/report.ts > bench/results/bbob.md
import { uniforms } from '../../server/study/optimizers/common/random-numbers.ts';
import { machine } from '../machine.ts';
import { expectedRunningTime, pycma, type Run, runsOf, tasks } from './runs.ts';

const RESAMPLES = 2000;
/** The issue's: no more than so many times what pycma takes. */
const ALLOWED = 1.2;

/** `count` of them, with repetition. */
function resampled(runs: readonly Run[], draw: () => number): Run[] {
  return runs.map(() => runs[Math.floor(draw() * runs.length)]);
}

/** 5 and 95 % of what the ratio would be with other runs drawn from these. */
function interval(ours: readonly Run[], theirs: readonly Run[]): [number, number] {
  const draw = uniforms(1n, 0);
  const ratios = Array.from(
    { length: RESAMPLES },
    () => expectedRunningTime(resampled(ours, draw)) / expectedRunningTime(resampled(theirs, draw)),
  ).sort((a, b) => a - b);
  return [ratios[Math.floor(0.05 * RESAMPLES)], ratios[Math.floor(0.95 * RESAMPLES)]];
}

function spread(runs: readonly Run[]): string {
  const evaluations = runs.map((each) => each.evaluations).sort((a, b) => a - b);
  const middle = evaluations[Math.floor(evaluations.length / 2)];
  return `${middle} (${evaluations[0]} to ${evaluations.at(-1)})`;
}

function reached(runs: readonly Run[]): string {
  return `${runs.filter((each) => each.reached).length}/${runs.length}`;
}

for (const task of tasks) {
  process.stderr.write(`${task.name} ...\n`);
  runsOf(task);
}
const { versions, runs } = pycma();
const rows = tasks.map((task) => {
  const [ours, theirs] = [runsOf(task), runs[task.name]];
  const ratio = expectedRunningTime(ours) / expectedRunningTime(theirs);
  const [low, high] = interval(ours, theirs);
  const verdict = ratio <= ALLOWED ? 'yes' : 'no';
  const cells = [
    task.name.replace('.', ', d = '),
    expectedRunningTime(ours).toFixed(0),
    spread(ours),
    reached(ours),
    expectedRunningTime(theirs).toFixed(0),
    spread(theirs),
    reached(theirs),
    `${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`,
    verdict,
  ];
  return `| ${cells.join(' | ')} |`;
});

const { cpu, cores, platform, node } = machine();
const { cma, numpy, python } = versions;

console.log(`# BBOB: CMA-ES of server/study beside pycma

Expected running time (ERT) to within 10^-8 of the optimal value, in evaluations: those of all runs for each that got there. BBOB
functions 1 (sphere), 10 (ellipsoid), 8 (Rosenbrock) and 15 (Rastrigin), one run for each of instances 1 to 15 (60 where it says so), from a start that is uniform
in [-4, 4]^d with sigma 2, unbounded, IPOP restarts from the same start, 50,000 d evaluations at most. Both with their defaults, and
with starts and seeds of their own.

- Here: \`node bench/bbob/report.ts > bench/results/bbob.md\`; seeds are the instances' numbers, so the figures come out the same again (also
  as \`npm run bench -- bbob\`). Evaluations are counted, so the machine does not matter; it was ${cpu}, ${cores} cores, ${platform}, Node.js ${node}.
- pycma ${cma} (numpy ${numpy}, Python ${python}): once, by \`bench/bbob/pycma.py\`, on COCO's own functions; its runs are in \`bench/bbob/pycma.json\`.
- Spread: median (minimum to maximum) of the runs. Ratio: ERT here / ERT of pycma, with 5 to 95 % of ${RESAMPLES} bootstrap samples of both.
- Rastrigin in dimensions 2 and 5 had 15 runs at first, which said 1.19 (0.76 to 1.77) and 1.39 (0.96 to 2.03): too few to tell, hence 60.

| function | ERT | spread | reached | ERT of pycma | spread | reached | ratio | at most ${ALLOWED} |
|---|---|---|---|---|---|---|---|---|
${rows.join('\n')}`);
