// CMA-ES on BBOB functions: how many evaluations it takes to come within 10^-8 of the optimal value.
import { readFileSync } from 'node:fs';
import { cmaEs } from '../../server/study/optimizers/cma-es/cma-es.ts';
import { uniforms } from '../../server/study/optimizers/common/random-numbers.ts';
import { problem } from './functions.ts';

export type Run = { readonly evaluations: number; readonly reached: boolean };
export type Task = { readonly name: string; readonly number: number; readonly dimension: number };

/** These are those of pycma.py too. */
const functions = { sphere: 1, ellipsoid: 10, rosenbrock: 8, rastrigin: 15 } as const;
const DIMENSIONS = [2, 5, 10, 20] as const;
/** One run each; more where the spread between runs is wide and a run is short. */
const instancesOf = ({ name }: Task) => (/^rastrigin\.[25]$/.test(name) ? 60 : 15);
const TARGET = 1e-8;
const EVALUATIONS_A_DIMENSION = 50_000;
const INITIAL_STEP = 2;

export const tasks: readonly Task[] = Object.entries(functions).flatMap(([name, number]) =>
  DIMENSIONS.map((dimension) => ({ name: `${name}.${dimension}`, number, dimension })),
);

type Reference = {
  readonly versions: Readonly<Record<string, string>>;
  /** By the names of tasks. */
  readonly runs: Readonly<Record<string, readonly Run[]>>;
};

/** What bench/bbob/pycma.py has once found out, on the same instances. */
export function pycma(): Reference {
  return JSON.parse(readFileSync(new URL('pycma.json', import.meta.url), 'utf8')) as Reference;
}

const done = new Map<string, Run[]>();

/** One run for each instance; made once. */
export function runsOf(task: Task): readonly Run[] {
  const known = done.get(task.name);
  if (known !== undefined) return known;
  const runs = Array.from({ length: instancesOf(task) }, (_, i) => run(task, i + 1));
  done.set(task.name, runs);
  return runs;
}

function run({ number, dimension }: Task, instance: number): Run {
  const { evaluate, optimalValue } = problem(number, dimension, instance);
  const draw = uniforms(BigInt(instance), dimension);
  const start = Array.from({ length: dimension }, () => 8 * draw() - 4);
  const seed = BigInt(instance);
  const optimizer = cmaEs({ seed, initialStep: INITIAL_STEP }, { kind: 'vector', start, scale: 1 });
  const budget = EVALUATIONS_A_DIMENSION * dimension;
  let state = optimizer.start();
  for (let evaluations = 0; ; ) {
    const asked = optimizer.ask(state, state.run.lambda);
    const values = [];
    for (const { id, vector } of asked.candidates) {
      const value = evaluate(vector);
      evaluations++;
      if (value - optimalValue <= TARGET) return { evaluations, reached: true };
      if (evaluations === budget) return { evaluations, reached: false };
      values.push({ id, vector, value });
    }
    state = optimizer.tell(asked.state, values);
  }
}

/** Expected running time: evaluations of all runs for each that reached the target (INRIA RR-6828). */
export function expectedRunningTime(runs: readonly Run[]): number {
  const evaluations = runs.reduce((sum, each) => sum + each.evaluations, 0);
  return evaluations / runs.filter(({ reached }) => reached).length;
}

/** That of these runs in units of that of pycma's. */
export function againstPycma(task: Task): number {
  return expectedRunningTime(runsOf(task)) / expectedRunningTime(pycma().runs[task.name]);
}
