// The way from the flags of eval to its scores: a server, a run, rows, and an evaluation for each objective.
import type { Model } from '../../../proto/gen/zeroth/v1/model_service.ts';
import type { Run } from '../../../proto/gen/zeroth/v1/run_service.ts';
import { invalid } from '../../../server/errors.ts';
import type { Zeroth } from '../../client.ts';
import { toBatch } from '../../convert.ts';
import type { Context, GroupValues } from '../command.ts';
import type { evalGroups } from '../eval.ts';
import { UsageError } from '../flags.ts';
import { withoutLinks } from '../inputs/linked-model.ts';
import { factsOf, type ModelFacts, outputOfRun, shapeOfRun } from '../inputs/model-place.ts';
import { objectiveOf, TASKS, type Task } from '../inputs/row-flags.ts';
import { findSources } from '../inputs/sources.ts';
import { type RowShape, readSources, tokenizeSources } from '../inputs/training-data.ts';
import { fullName } from '../names.ts';
import { givenServer, wayToOwn, withServer } from '../server/connection.ts';
import { checkOwnServer, startOwnServer } from '../server/own-server.ts';
import { type Score, showScores } from './summary.ts';

export type EvalJob = {
  readonly run: string | undefined;
  readonly flags: GroupValues<typeof evalGroups>;
  readonly context: Context;
};

export async function evaluate({ run, flags, context }: EvalJob): Promise<void> {
  const isRemote = run !== undefined || givenServer(flags, context) !== undefined;
  if (!isRemote && flags.dataset !== undefined)
    throw new UsageError(
      '--dataset: expected a server that has it, got a model file alone: --server names one',
    );
  if (isRemote && flags.data !== undefined && flags.tokenizer === undefined)
    throw new UsageError('--tokenizer: expected a folder with tokenizer.json, got nothing');
  if (!isRemote) checkOwnServer();
  const { model, data } = flags;
  const tokenizer = data === undefined ? '' : flags.tokenizer;
  const found = await findSources({ model, tokenizer, isRemote });
  const sources = data === undefined ? undefined : await readSources({ ...flags, data }, found.tokenizer);
  await using stack = new AsyncDisposableStack();
  const place = found.place && stack.use(await withoutLinks(found.place));
  const settings = ['--model-dir', place?.folder ?? '', '--device', flags.device];
  const own = place && stack.use(await startOwnServer(context.file, settings));
  const way = own === undefined ? { flags, context } : wayToOwn(own.address);
  await withServer(way, async (zeroth) => {
    await using undo = new AsyncDisposableStack();
    const target =
      run === undefined
        ? await openModel({ zeroth, undo, path: place?.file ?? model!, flags })
        : await openRun(zeroth, fullName('runs', run), flags);
    const dataset = flags.dataset
      ? fullName('datasets', flags.dataset)
      : await upload({ zeroth, undo, target, flags, sources: sources! });
    const scores = await scoresOf({ zeroth, target, dataset, flags, context });
    const named = { name: run === undefined ? model! : target.run.name, isRun: run !== undefined };
    showScores({ ...named, rows: flags.data ?? dataset, scores }, context);
  });
}

type Flags = EvalJob['flags'];

type Target = {
  readonly run: Run;
  readonly shape: RowShape;
  readonly task: Task;
  readonly output: string;
};

async function openRun(zeroth: Zeroth, name: string, flags: Flags): Promise<Target> {
  const run = await zeroth.runs.get(name);
  const facts = factsOf(await zeroth.models.get(run.model));
  const own = TASKS.find((each) => objectiveOf[each] === run.objective?.name);
  const output = flags.output ?? outputOfRun(run, facts);
  return { run, shape: shapeOfRun(run, facts), task: flags.task ?? own ?? taskOf(facts), output };
}

type Opening = {
  readonly zeroth: Zeroth;
  readonly undo: AsyncDisposableStack;
  readonly path: string;
  readonly flags: Flags;
};

/** A run of the file as it is, which goes when it has been evaluated, and the model with it where it was not there before. */
async function openModel({ zeroth, undo, path, flags }: Opening): Promise<Target> {
  const model = await loaded(zeroth, undo, path);
  const facts = factsOf(model);
  const task = flags.task ?? taskOf(facts);
  const output = flags.output ?? facts.output;
  const run = await zeroth.runs.create({ model: model.name, objective: { name: objectiveOf[task], output } });
  undo.defer(() => zeroth.runs.delete(run.name).catch(() => {}));
  return { run, shape: shapeOfRun(run, facts), task, output };
}

async function loaded(zeroth: Zeroth, undo: AsyncDisposableStack, path: string): Promise<Model> {
  for await (const model of zeroth.models.list()) if (model.path === path) return model;
  const model = await zeroth.models.load(path);
  undo.defer(() => zeroth.models.unload(model.name).catch(() => {}));
  return model;
}

/** By the shape of what is scored, where it tells. */
function taskOf({ scores }: ModelFacts): Task {
  if (scores.length === 3)
    throw new UsageError(
      '--task: expected causal-lm or masked-lm of a model that scores tokens, got nothing',
    );
  return 'classification';
}

type Upload = Omit<Opening, 'path'> & {
  readonly target: Target;
  readonly sources: Awaited<ReturnType<typeof readSources>>;
};

async function upload({ zeroth, undo, target, flags, sources }: Upload): Promise<string> {
  const { shape, task } = target;
  const data = tokenizeSources(sources, shape, { ...flags, task, data: flags.data! });
  const { classes } = shape;
  // Names are numbered as they sort, so that one that does not come up here would move the others.
  if (data.classes !== undefined && classes !== undefined && data.classes.length < classes)
    throw invalid('--classes', `the names of all ${classes} classes in their order`, data.classes.join(', '));
  const { dataset, existed } = await zeroth.datasets.create(data.train.tensors);
  if (!existed) undo.defer(() => zeroth.datasets.delete(dataset.name).catch(() => {}));
  return dataset.name;
}

type Scoring = {
  readonly zeroth: Zeroth;
  readonly target: Target;
  readonly dataset: string;
  readonly flags: Flags;
  readonly context: Context;
};

/** All at one revision, whatever happens to the run meanwhile. */
async function scoresOf({ zeroth, target, dataset, flags, context }: Scoring): Promise<Score[]> {
  const { run, task, output } = target;
  const usual = [
    run.objective?.name ?? objectiveOf[task],
    ...(task === 'classification' ? ['accuracy'] : []),
  ];
  const names = flags.objective.length > 0 ? flags.objective : [...new Set(usual)];
  const scores: Score[] = [];
  let revision = flags.revision === undefined ? undefined : BigInt(flags.revision);
  for (const name of names) {
    const anchor = revision === undefined ? {} : { from: anchorAt(revision) };
    const objective = { ...(run.objective?.name === name ? run.objective : {}), name, output };
    const request = { run: run.name, points: [anchor], batch: toBatch(dataset), objective };
    const answer = await zeroth.oracle.evaluate(request, { signal: context.signal });
    revision ??= answer.revision;
    const [{ loss, examples, tokens }] = answer.results;
    scores.push({
      objective: name,
      loss,
      examples: Number(examples),
      tokens: Number(tokens),
      revision: Number(revision),
    });
  }
  return scores;
}

function anchorAt(value: bigint) {
  return { $case: 'anchor', value: { at: { $case: 'revision', value } } } as const;
}
