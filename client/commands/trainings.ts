// `zeroth pause`, `resume` and `stop`: a training that the server runs, while it is under way.
import type { Training } from '../../proto/gen/zeroth/v1/training_service.ts';
import type { Zeroth } from '../client.ts';
import { command, type Definition } from './command.ts';
import { CommandError, EXIT } from './failure.ts';
import { findTraining } from './find-training.ts';
import { fullName, isTrainingName, runOf } from './names.ts';
import { print, printJson, whole } from './output.ts';
import { connection, withServer } from './server/connection.ts';
import { trainingState, trainingView } from './views.ts';

type Change = {
  readonly verb: 'pause' | 'resume' | 'stop';
  readonly does: string;
  readonly more: string;
  /** The state that it is for, which is no error where it was there before. */
  readonly becomes: 'paused' | 'running' | 'stopped';
  /** What has become of it, and what may be next. @param at `step 40 of 100`. */
  say(training: Training, at: string): string;
};

const changes: readonly Change[] = [
  {
    verb: 'pause',
    does: 'hold a training that the server runs until it is resumed',
    more: 'Ends when the step under way is in the journal. It waits over restarts of the\nserver too, until zeroth resume.\n',
    becomes: 'paused',
    say: ({ name }, at) => `${name} is paused at ${at}\nzeroth resume ${name} goes on with it`,
  },
  {
    verb: 'resume',
    does: 'go on with a training that is paused or has failed',
    more: 'Goes on behind its last step, as if it had not been paused.\n',
    becomes: 'running',
    say: ({ name }, at) => `${name} goes on from ${at}\nzeroth watch ${runOf(name)} shows how it goes`,
  },
  {
    verb: 'stop',
    does: 'end a training that the server runs, for good; its run stays as it is',
    more: 'Ends when the step under way is in the journal. What it has done to the run\nstays, and zeroth train --run goes on from there in a new training.\n',
    becomes: 'stopped',
    say: ({ name }, at) =>
      `${name} is stopped at ${at}\nzeroth export ${runOf(name)} --out FILE writes the model as it is now`,
  },
];

const WHICH = 'Of a run it is the training that runs, else the newest that is paused, else the\nnewest.\n';

export const trainingCommands: readonly Definition[] = changes.map((change) =>
  command({
    usage: `${change.verb} <RUN_OR_TRAINING>`,
    does: change.does,
    flags: { Server: connection },
    more: () => `${WHICH}${change.more}`,
    run: ({ args: [given], flags }, context) =>
      withServer({ flags, context }, async (zeroth) => {
        const training = await zeroth.trainings[change.verb](await nameOf(zeroth, fullName('runs', given)));
        if (trainingState(training.state) !== change.becomes) throw unchanged(training);
        if (context.isJson) return printJson(trainingView(training));
        print(change.say(training, placeOf(training)));
      }),
  }),
);

/** @throws CommandError of a run that the server has never trained. */
async function nameOf(zeroth: Zeroth, name: string): Promise<string> {
  if (isTrainingName(name)) return name;
  const run = await zeroth.runs.get(name);
  const training = await findTraining(zeroth, run.name);
  if (training !== undefined) return training.name;
  throw new CommandError({
    exit: EXIT.refused,
    code: 'NOT_FOUND',
    reason: 'TRAINING_NOT_FOUND',
    message: `${run.name}: expected a run that the server trains, got one without trainings`,
    next: 'what zeroth train drives itself stops where it runs, by Ctrl-C',
  });
}

/** The server leaves one that is over as it is. */
function unchanged({ name, state }: Training): CommandError {
  const got = trainingState(state);
  return new CommandError({
    exit: EXIT.refused,
    code: 'FAILED_PRECONDITION',
    reason: 'TRAINING_STATE',
    message: `${name}: expected one that is under way, got one that ${got === 'failed' ? 'has' : 'is'} ${got}`,
    details: { resource: name },
    next:
      got === 'failed'
        ? `zeroth resume ${name} goes on with it`
        : `zeroth export ${runOf(name)} --out FILE writes the model as it is now`,
  });
}

function placeOf({ step, plan }: Training): string {
  const total = plan?.budget?.$case === 'steps' ? ` of ${whole(plan.budget.value)}` : '';
  return `step ${whole(step)}${total}`;
}
