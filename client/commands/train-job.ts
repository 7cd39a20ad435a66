// One training, from a model on a server to a file: everything between is taken back where it fails.
import type { Dataset } from '../../proto/gen/zeroth/v1/dataset_service.ts';
import type { ExportHeader } from '../../proto/gen/zeroth/v1/run_service.ts';
import { invalid } from '../../server/errors.ts';
import type { Zeroth } from '../client.ts';
import { ZerothCallError } from '../errors.ts';
import type { TokenTable } from '../text/tokenize.ts';
import { follow } from './course.ts';
import { factsOf, type ModelFacts } from './model-place.ts';
import { formatOf, objectivesOf, toRunRequest } from './run-request.ts';
import type { Screen } from './screen.ts';
import type { TrainSettings } from './train-flags.ts';
import { toJson, toText } from './train-summary.ts';
import { type Sources, type TrainingData, tokenizeSources } from './training-data.ts';

/** Evaluations where nobody says how many. */
const EVALUATIONS = 10;

export type Job = {
  readonly settings: TrainSettings;
  readonly sources: Sources;
  readonly zeroth: Zeroth;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  /** What fails takes back what it has made on a server that goes on. */
  readonly undo: AsyncDisposableStack;
};

/** Rows are held against the model before anything is uploaded or made. */
export async function learn(job: Job, path: string): Promise<void> {
  const { settings, sources, zeroth, screen, signal, undo } = job;
  const { strategy } = settings.chosen;
  const model = await loadModel(job, path);
  const facts = factsOf(model);
  screen.note('model', [settings.model, ...describeFacts(facts)].join(', '));
  checkTask(settings, facts);
  const data = tokenizeSources(sources, facts, settings);
  describeData(screen, data);
  const [train, held] = [await upload(job, data.train), data.held && (await upload(job, data.held))];
  const request = toRunRequest(settings, facts, data.classCount);
  const { name: run } = await zeroth.runs.create({ ...request, model: model.name });
  undo.defer(() => zeroth.runs.delete(run).catch(() => {}));
  const course = { zeroth, run, train, held, ...objectivesOf(settings, facts), strategy, signal };
  const outcome = await follow({ ...course, ...pace(settings, data.train.rows) }, screen);
  screen.stop();
  const exported = await write(job, run);
  const finished = {
    settings,
    run: settings.server === undefined ? undefined : run,
    data,
    outcome,
    exported,
    isWhole: !signal.aborted,
  };
  process.stdout.write(settings.json ? toJson(finished) : toText(finished));
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
function checkTask({ task, head }: TrainSettings, { output, scores }: ModelFacts): void {
  const rank = head === 'none' ? scores.length : 2;
  if (rank !== 2 && rank !== 3) return;
  const expected = rank === 2 ? 'classification' : 'causal-lm or masked-lm (or a new --head)';
  if ((rank === 2) !== (task === 'classification'))
    throw invalid('--task', `${expected}, since the model's ${output} is [${scores.join(', ')}]`, task);
}

/** One that is loaded already serves, and stays. */
async function loadModel({ zeroth, undo, settings }: Job, path: string) {
  for await (const model of zeroth.models.list()) if (model.path === path) return model;
  const model = await zeroth.models.load(path).catch((error: Error) => {
    const where =
      settings.server === undefined ? '' : "; with --server the path is one of the server's model directory";
    throw new Error(`--model ${path}: ${error.message}${where}`, { cause: error });
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
    `${rows} rows of up to ${length} tokens${truncated > 0 ? `, ${truncated} of them cut` : ''}`;
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
