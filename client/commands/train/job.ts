// One training, from a model on a server to a file: everything between is taken back where it fails.

import type { Dataset } from '../../../proto/gen/zeroth/v1/dataset_service.ts';
import type { Model } from '../../../proto/gen/zeroth/v1/model_service.ts';
import type { ExportHeader, Run } from '../../../proto/gen/zeroth/v1/run_service.ts';
import { invalid } from '../../../server/errors.ts';
import type { Zeroth } from '../../client.ts';
import { ZerothCallError } from '../../errors.ts';
import type { TokenTable } from '../../text/tokenize.ts';
import { CommandError, toFailure } from '../failure.ts';
import { factsOf, type ModelFacts, outputOfRun, shapeOfRun } from '../inputs/model-place.ts';
import { type RowShape, type Sources, type TrainingData, tokenizeSources } from '../inputs/training-data.ts';
import { fullName } from '../names.ts';
import { counted } from '../output.ts';
import { follow } from './course.ts';
import { detach } from './detach.ts';
import { continued, type TrainSettings } from './flags.ts';
import { formatOf, objectivesOf, outputOf, toRunRequest } from './run-request.ts';
import type { Screen } from './screen.ts';
import { toJson, toText } from './summary.ts';

/** Evaluations where nobody says how many. */
const EVALUATIONS = 10;

export type Job = {
  readonly settings: TrainSettings;
  readonly sources: Sources;
  readonly zeroth: Zeroth;
  readonly address: string;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  /** What fails takes back what it has made on a server that goes on. */
  readonly undo: AsyncDisposableStack;
};

/** What is trained, and what rows and scores have to fit. */
type Target = {
  readonly settings: TrainSettings;
  readonly model: Model;
  /** One that goes on; undefined where it is made when the rows are known. */
  readonly run: Run | undefined;
  readonly shape: RowShape;
  readonly output: string;
};

/** Rows are held against the model before anything is uploaded or made. */
export async function learn(job: Job, path: string): Promise<void> {
  const { sources, zeroth, screen } = job;
  const target = job.settings.run === undefined ? await newTarget(job, path) : await goingOn(job);
  const { settings, shape, output, model } = target;
  screen.note('model', [settings.model ?? model.name, ...describeFacts(shape.facts)].join(', '));
  checkTask(settings, target);
  if (settings.batchSize > sources.train.length)
    throw invalid(
      '--batch-size',
      `at most the ${counted(sources.train.length, 'row')} of ${settings.data}`,
      `${settings.batchSize}`,
    );
  const data = tokenizeSources(sources, shape, settings);
  describeData(screen, data);
  const [train, held] = [await upload(job, data.train), data.held && (await upload(job, data.held))];
  const run = target.run ?? (await createRun(job, target, data));
  const { strategy } = settings.chosen;
  const course = {
    ...{ zeroth, run: run.name, train, held, strategy, signal: job.signal },
    ...objectivesOf(settings.task, output),
    ...pace(settings, data.train.rows),
    trainingId: target.run === undefined ? strategy.name : `${strategy.name}-${run.revision}`,
  };
  if (settings.detach) return detach(job, course, settings.chosen);
  const outcome = await follow(course, screen);
  screen.stop();
  const exported = await write(job, run.name);
  const finished = {
    ...{ settings, data, outcome, exported, address: job.address },
    run: settings.isRemote ? run.name : undefined,
    isWhole: !job.signal.aborted,
  };
  process.stdout.write(settings.isJson ? toJson(finished) : toText(finished));
}

async function newTarget(job: Job, path: string): Promise<Target> {
  const { settings } = job;
  const model = await loadModel(job, path);
  const facts = factsOf(model);
  const { head, promptTokens = 0, prefixTokens = 0 } = settings;
  const shape = { facts, classes: head === 'none' ? facts.classes : undefined, promptTokens, prefixTokens };
  return { settings, model, run: undefined, shape, output: outputOf(settings, facts) };
}

async function goingOn({ zeroth, settings }: Job): Promise<Target> {
  const run = await zeroth.runs.get(fullName('runs', settings.run!));
  const model = await zeroth.models.get(run.model);
  const shape = shapeOfRun(run, factsOf(model));
  return { settings: continued(settings, run), model, run, shape, output: outputOfRun(run, shape.facts) };
}

async function createRun(
  { zeroth, undo }: Job,
  { settings, shape, model }: Target,
  data: TrainingData,
): Promise<Run> {
  const request = toRunRequest(settings, shape.facts, data.classCount);
  const run = await zeroth.runs.create({ ...request, model: model.name });
  undo.defer(() => zeroth.runs.delete(run.name).catch(() => {}));
  return run;
}

/** What cannot be merged, as quantized weights cannot, is not lost: it is written as it is, and the command fails. */
async function write({ zeroth, settings }: Job, name: string): Promise<ExportHeader> {
  const { out, merge } = settings;
  try {
    return await zeroth.runs.exportTo(out, { name, format: formatOf(settings) });
  } catch (error) {
    if (!merge || !(error instanceof ZerothCallError)) throw error;
    await zeroth.runs.exportTo(out, { name });
    throw new Error(`${error.message}; ${out} has its adapters beside its weights`, { cause: error });
  }
}

/** A shape that is not known is left to the server. */
function checkTask({ task }: TrainSettings, { shape, output: scored }: Target): void {
  const { output, scores } = shape.facts;
  const rank = scored === output ? scores.length : 2;
  if (rank !== 2 && rank !== 3) return;
  const expected = rank === 2 ? 'classification' : 'causal-lm or masked-lm (or a new --head)';
  if ((rank === 2) !== (task === 'classification'))
    throw invalid('--task', `${expected}, since the model's ${output} is [${scores.join(', ')}]`, task);
}

/** One that is loaded already serves, and stays. */
async function loadModel({ zeroth, undo, settings }: Job, path: string) {
  for await (const model of zeroth.models.list()) if (model.path === path) return model;
  const model = await zeroth.models.load(path).catch((error: Error) => {
    const where = settings.isRemote
      ? "with --server the path is one of the server's model directory"
      : undefined;
    throw new CommandError(
      {
        ...toFailure(error),
        message: `--model ${settings.model ?? path}: ${error.message.replace(/^path: /, '')}`,
        next: where,
      },
      error,
    );
  });
  undo.defer(() => zeroth.models.unload(model.name).catch(() => {}));
  return model;
}

function describeFacts({ classes, vocabularySize, positions }: ModelFacts): string[] {
  return [
    ...(classes === undefined ? [] : [`${classes} classes`]),
    ...(vocabularySize === undefined ? [] : [`a vocabulary of ${vocabularySize}`]),
    ...(positions === undefined ? [] : [`${positions} positions`]),
  ];
}

function describeData(screen: Screen, { train, held, classes }: TrainingData): void {
  const told = ({ rows, length, truncated }: TokenTable) =>
    `${counted(rows, 'row')} of up to ${counted(length, 'token')}${truncated > 0 ? `, ${truncated} of them cut` : ''}`;
  screen.note('rows', `${told(train)}${held === undefined ? '' : `; held out: ${told(held)}`}`);
  if (classes !== undefined) screen.note('classes', classes.map((name, i) => `${i} ${name}`).join(', '));
}

async function upload({ zeroth, undo }: Job, { tensors }: TokenTable): Promise<Dataset> {
  const { dataset, existed } = await zeroth.datasets.create(tensors);
  if (!existed) undo.defer(() => zeroth.datasets.delete(dataset.name).catch(() => {}));
  return dataset;
}

/** Evaluations come so many steps apart as fit EVALUATIONS of them into the budget, were all steps as the first on a mini-batch. */
function pace({ budget, batchSize, chosen: { strategy }, seed, evalEvery }: TrainSettings, rows: number) {
  const { points, laterPoints = 0 } = strategy.ask(strategy.start());
  const cost = (points.length + laterPoints) * Math.min(batchSize, rows);
  const steps = 'steps' in budget ? budget.steps : budget.examples / cost;
  return {
    budget,
    batchSize,
    batchSeed: seed,
    evalEvery: evalEvery ?? Math.max(1, Math.ceil(steps / EVALUATIONS)),
  };
}
