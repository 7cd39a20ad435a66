// Model outputs at points of a run, behind a change if there is one.
import type { DatasetStore } from '../dataset/store.ts';
import type { History } from './history.ts';
import type { LoadedModel } from './models.ts';
import { openBatch } from './open-batch.ts';
import { OutputsReading } from './outputs-reading.ts';
import type { ChangeOutcome, ChangeRequest, OutputsRequest } from './requests.ts';
import type { Steps, Turn } from './steps.ts';
import type { Turns } from './turns.ts';

export type OutputsParts = {
  /** "runs/*" */
  readonly run: string;
  readonly datasets: DatasetStore;
  readonly history: History;
  readonly turns: Turns;
  readonly steps: Steps;
};

export type OutputsOptions = Partial<Pick<Turn, 'signal' | 'beside'>> & {
  readonly change?: ChangeRequest | undefined;
};

/** The first portion, at the revision that a change made if there is one; the others are read in turns of their own. */
export async function openOutputs(
  parts: OutputsParts,
  request: OutputsRequest,
  { change, signal, beside }: OutputsOptions,
): Promise<OutputsReading> {
  const { run, datasets, history, turns, steps } = parts;
  const source = await openBatch(datasets, request.batch);
  const evenDiverged = change?.change.kind === 'rollback';
  const asking = performance.now();
  const work = async (model: LoadedModel) => {
    const turn = { signal, beside, queueMs: performance.now() - asking };
    const { change: done, head } = await changeFirst(parts, { model, change, request, turn });
    const journalMs = change === undefined ? 0 : performance.now() - asking - turn.queueMs;
    const { revision, points } = steps.pin(request, head);
    const { selections: outputs, tensors, perExampleLosses, pieceBytesMax, rowBytesMax, bytesMax } = request;
    const bounds = { pieceBytesMax, rowBytesMax, bytesMax };
    const asked = {
      run,
      points,
      batch: source,
      outputs,
      tensors,
      perExampleLosses,
      from: 0,
      ...bounds,
    };
    const first = await model.worker.call('outputs', asked, signal);
    const facts = { revision, head: history.head, change: done, queueMs: turn.queueMs, journalMs };
    return new OutputsReading(facts, asked, first, (more) =>
      turns.take((there) => there.worker.call('outputs', more, signal), { signal }),
    );
  };
  return turns.take(work, { signal, evenDiverged });
}

type Behind = {
  readonly model: LoadedModel;
  readonly change: ChangeRequest | undefined;
  readonly request: OutputsRequest;
  readonly turn: Turn;
};

/** @returns what the change came to, and what "the head" means behind it. */
async function changeFirst(
  { history, steps }: OutputsParts,
  { model, change, request, turn }: Behind,
): Promise<{ change: ChangeOutcome | undefined; head: number }> {
  if (change === undefined) return { change, head: history.head };
  // Points that cannot be are told before the change is made.
  if (history.findAnswered(change) === undefined) steps.pin(request, history.head + 1, turn.beside?.snapshot);
  const outcome = (await steps.step(model, change, undefined, turn)).change!;
  const { revision, head, replayed } = outcome;
  return { change: outcome, head: replayed ? history.settledAfter(revision) : head };
}
