// A study from its grids to the courses of its seeds. What has been measured is kept, so that one that was interrupted goes on.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Contender, Method, Problem, Study } from './study.ts';

/** [examples forwarded, steps, loss, accuracy]; a loss that is not finite is null, as JSON has no other. */
export type Look = readonly [examples: number, steps: number, loss: number | null, accuracy?: number];

/** The first look is at the start. */
export type Course = readonly Look[];

export type Run = { readonly seed: number; readonly course: Course };

export type Outcome = {
  readonly label: string;
  /** Settings with the loss that each ended with on the tuning seed; null: it diverged. */
  readonly grid: readonly { readonly method: Method; readonly loss: number | null }[];
  /** Which of the grid has the least. */
  readonly chosen: number;
  readonly runs: readonly Run[];
};

export type Measured = {
  readonly rows: number;
  readonly minimum: number | undefined;
  readonly outcomes: readonly Outcome[];
};

/** Looks of a course, evenly spaced on a logarithmic scale. */
const LOOKS = 24;
/** The first is after this share of the budget. */
const FIRST_LOOK = 1 / 1000;
/** A course that has come to so many times its first loss, or beyond every number, is ended: it has diverged. */
const DIVERGED = 3;

export type Progress = (done: { readonly title: string; readonly loss: number | null }) => void;

/** @param notes the file that keeps courses; one is measured once for a method, a seed and a budget. */
export async function measure(study: Study, notes: string, onCourse: Progress): Promise<Measured> {
  await using problem = await study.open();
  const { rows, minimum } = problem;
  const courses = await Notes.open(notes);
  const outcomes: Outcome[] = [];
  for (const contender of study.contenders) outcomes.push(await compete(contender));
  return { rows, minimum, outcomes };

  async function compete({ label, grid }: Contender): Promise<Outcome> {
    const tuned: Outcome['grid'][number][] = [];
    for (const method of grid) {
      const loss = finalLoss(await course(`${label}, tuning`, method, study.tuningSeed));
      tuned.push({ method, loss });
    }
    const chosen = leastOf(tuned.map(({ loss }) => loss));
    const runs: Run[] = [];
    for (const seed of study.seeds)
      runs.push({ seed, course: await course(`${label}, seed ${seed}`, grid[chosen], seed) });
    return { label, grid: tuned, chosen, runs };
  }

  async function course(title: string, method: Method, seed: number): Promise<Course> {
    const key = JSON.stringify([method, seed, study.examples]);
    const made = await courses.get(key, () => follow(problem, method, { seed, examples: study.examples }));
    onCourse({ title, loss: finalLoss(made) });
    return made;
  }
}

/** @param options `examples` is the budget, which the looks are spread over; the last one is at the end. */
export async function follow(
  problem: Problem,
  method: Method,
  options: { readonly seed: number; readonly examples: number },
): Promise<Course> {
  const course: Look[] = [];
  const marks = [0, ...marksUpTo(options.examples)];
  for await (const { examples, steps, isLast, look } of problem.train(method, options)) {
    if (examples < marks[0] && !isLast) continue;
    while (marks[0] <= examples) marks.shift();
    const { loss, accuracy } = await look();
    const now = Number.isFinite(loss) ? loss : null;
    course.push(accuracy === undefined ? [examples, steps, now] : [examples, steps, now, accuracy]);
    if (now === null || now > DIVERGED * (course[0][2] ?? 0))
      return [...course.slice(0, -1), diverged(course)];
  }
  return course;
}

function marksUpTo(examples: number): number[] {
  return Array.from({ length: LOOKS }, (_, i) => examples * FIRST_LOOK ** (1 - (i + 1) / LOOKS));
}

function diverged(course: readonly Look[]): Look {
  const [examples, steps] = course[course.length - 1];
  return [examples, steps, null];
}

function finalLoss(course: Course): number | null {
  return course[course.length - 1][2];
}

function leastOf(losses: readonly (number | null)[]): number {
  const ranked = losses.map((loss) => loss ?? Infinity);
  return ranked.indexOf(Math.min(...ranked));
}

/** Courses by their keys in a file that is always whole. */
class Notes {
  readonly #file: string;
  readonly #courses: Record<string, Course>;

  private constructor(file: string, courses: Record<string, Course>) {
    this.#file = file;
    this.#courses = courses;
  }

  static async open(file: string): Promise<Notes> {
    await mkdir(dirname(file), { recursive: true });
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '{}';
      throw error;
    });
    return new Notes(file, JSON.parse(text) as Record<string, Course>);
  }

  async get(key: string, make: () => Promise<Course>): Promise<Course> {
    if (this.#courses[key] === undefined) {
      this.#courses[key] = await make();
      await writeFile(`${this.#file}.partial`, JSON.stringify(this.#courses));
      await rename(`${this.#file}.partial`, this.#file);
    }
    return this.#courses[key];
  }
}
