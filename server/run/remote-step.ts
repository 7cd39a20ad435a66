import type { Config } from '../config.ts';
import type { Judges } from '../judge/judges.ts';
import type { ObjectiveChoice } from '../worker/messages.ts';
import type { OutputsOptions } from './outputs.ts';
import type { OutputsReading } from './outputs-reading.ts';
import { checkRemote, evaluateRemotely } from './remote-evaluation.ts';
import type { ChangeRequest, EvaluateRequest, OutputsRequest } from './requests.ts';
import type { StepOutcome, Turn } from './steps.ts';

export type RemoteStep = Pick<Turn, 'signal' | 'beside'> & {
  /** "runs/*" */
  readonly run: string;
  readonly judges: Judges;
  readonly config: Pick<Config, 'replyBytesMax'>;
  readonly change: ChangeRequest | undefined;
  readonly asked: EvaluateRequest;
  readonly objective: ObjectiveChoice;
};

/** Clients compute the losses: what they need is known before anything is done. */
export async function stepRemotely(
  { run, judges, config, change, asked, objective, signal, beside }: RemoteStep,
  open: (request: OutputsRequest, options: OutputsOptions) => Promise<OutputsReading>,
): Promise<StepOutcome> {
  checkRemote(asked, objective.name);
  const needs = judges.needsOf(objective.name);
  const request: OutputsRequest = {
    ...asked,
    selections: needs.outputs.map((each) => ({ ...each, name: each.name || objective.output })),
    tensors: needs.tensors,
    pieceBytesMax: config.replyBytesMax,
    rowBytesMax: config.replyBytesMax,
    bytesMax: judges.portionBytes,
  };
  const evaluation = { judges, objective: objective.name, needs, run, asked, signal };
  const { reading, outcome } = await evaluateRemotely(evaluation, (until) =>
    open(request, { change, signal: until, beside }),
  );
  return { change: reading.facts.change, evaluation: outcome };
}
