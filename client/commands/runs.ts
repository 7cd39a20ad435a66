// `zeroth runs`: what there is, one of them closely, and the end of one.
import { createInterface } from 'node:readline/promises';
import type { Run } from '../../proto/gen/zeroth/v1/run_service.ts';
import type { Training } from '../../proto/gen/zeroth/v1/training_service.ts';
import { command } from './command.ts';
import { text, toggle, UsageError } from './flags.ts';
import { parameterTable } from './models.ts';
import { fullName, idOf } from './names.ts';
import { age, bytes, columns, counted, facts, print, printJson, time, whole } from './output.ts';
import { connection, withServer } from './server/connection.ts';
import { inCommandsWords } from './server-words.ts';
import { runState, runView, trainingState, trainingView, weightsOf } from './views.ts';

const Server = connection;

const list = command({
  usage: 'runs',
  does: 'the runs of a server',
  fields: { model: '--model' },
  flags: { Runs: { model: text('NAME', 'only those of this model') }, Server },
  run: ({ flags }, context) =>
    withServer({ flags, context }, async (zeroth) => {
      const model = flags.model === undefined ? '' : fullName('models', flags.model);
      const runs = await Array.fromAsync(zeroth.runs.list({ model }));
      if (context.isJson) return printJson({ runs: runs.map(runView) });
      if (runs.length === 0) return print('no runs\nzeroth train --server HOST:PORT makes one');
      const head = ['name', 'model', 'state', 'revision', 'age'];
      print(columns(head, runs.map(rowOf), ['revision']));
    }),
});

/** The head says of models what they are, which leaves room for long names. */
function rowOf({ name, model, state, revision, createTime }: Run): string[] {
  return [name, model.replace('models/', ''), runState(state), whole(revision), age(createTime)];
}

const show = command({
  usage: 'runs show <NAME>',
  does: 'a run with its tensors, snapshots and trainings',
  flags: { Server },
  run: ({ args: [given], flags }, context) =>
    withServer({ flags, context }, async (zeroth) => {
      const run = await zeroth.runs.get(fullName('runs', given));
      const trainings = await Array.fromAsync(zeroth.trainings.list({ run: run.name }));
      if (context.isJson) return printJson({ ...runView(run), trainings: trainings.map(trainingView) });
      return print(describe(run, trainings));
    }),
});

function describe(run: Run, trainings: readonly Training[]): string {
  const parts = [factsOf(run)];
  if (trainings.length > 0)
    parts.push(
      columns(['training', 'state', 'steps', 'best loss', 'age'], trainings.map(trainingRow), [
        'steps',
        'best loss',
      ]),
    );
  if (run.snapshots.length > 0)
    parts.push(
      columns(
        ['snapshot', 'revision'],
        run.snapshots.map(({ name, revision }) => [idOf(name), whole(revision)]),
        ['revision'],
      ),
    );
  return [...parts, parameterTable(run.trainable, true)].join('\n\n');
}

function factsOf(run: Run): string {
  const { additions, table, objective } = runView(run);
  const added = Object.entries(additions).flatMap(([name, what]) =>
    what === undefined ? [] : [typeof what === 'number' ? `${name} ${what}` : `${name} of rank ${what.rank}`],
  );
  const reason = run.stateReason === '' ? '' : `: ${inCommandsWords(run.stateReason)}`;
  return facts([
    ['run', run.name],
    ['model', run.model],
    ['state', `${runState(run.state)}${reason}`],
    ['revision', whole(run.revision)],
    ['objective', objective && [objective.name, objective.output].filter((each) => each !== '').join(' of ')],
    ['directions', table],
    ['trains', `${counted(weightsOf(run.trainable), 'weight')}, ${bytes(Number(run.weightsBytes))}`],
    ['additions', added.length === 0 ? undefined : added.join(', ')],
    ['journal', bytes(Number(run.journalBytes))],
    ['forked', run.forkedFrom === '' ? undefined : `from ${run.forkedFrom} at ${whole(run.forkedRevision)}`],
    ['created', time(run.createTime)],
  ]);
}

function trainingRow({ name, state, step, bestEvaluation, createTime }: Training): string[] {
  const best = bestEvaluation === undefined ? '-' : bestEvaluation.loss.toFixed(4);
  return [idOf(name), trainingState(state), whole(step), best, age(createTime)];
}

const remove = command({
  usage: 'runs delete <NAME>',
  does: 'forget a run: its journal, and with it the tuned weights',
  flags: { Delete: { yes: toggle('without asking; needed where there is no terminal to ask on') }, Server },
  run: ({ args: [given], flags }, context) =>
    withServer({ flags, context }, async (zeroth) => {
      const run = await zeroth.runs.get(fullName('runs', given));
      if (!flags.yes && !(await isSure(run, context.isJson))) return print(`${run.name} stays`);
      await zeroth.runs.delete(run.name);
      if (context.isJson) return printJson({ name: run.name, isDeleted: true });
      print(`${run.name} is deleted`);
    }),
});

/** @throws UsageError where nobody can be asked. */
async function isSure({ name, revision }: Run, isJson: boolean): Promise<boolean> {
  if (isJson || process.stdin.isTTY !== true)
    throw new UsageError(`--yes: expected it where nobody can be asked, since ${name} is gone for good then`);
  const readline = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const updates = counted(Number(revision), 'revision');
    const answer = await readline.question(
      `${name} has ${updates}, which cannot be had back. Delete it? [y/N] `,
    );
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    readline.close();
  }
}

export const runCommands = [list, show, remove];
