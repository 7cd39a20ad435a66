// A change and an evaluation of a run, in one turn of its model's queue.
import { encodeChange } from '../journal/encode.ts';
import type { RunRecord } from '../journal/journal.ts';
import type { BatchSource } from '../model/batch/columns.ts';
import type { Parameter } from '../model/graph/graph.ts';
import type { Evaluated, EvaluateWork, WorkerCalls } from '../worker/messages.ts';
import { resultOf } from '../worker/outcome.ts';
import type { RunCheckpoints } from './checkpoints.ts';
import { hashInTurns } from './content-hash.ts';
import type { History } from './history.ts';
import type { LoadedModel } from './models.ts';
import type {
  Beside,
  ChangeOutcome,
  ChangeRequest,
  EvaluateOutcome,
  EvaluateRequest,
  Timing,
} from './requests.ts';
import type { Standing } from './standing.ts';

export type StepOutcome = {
  readonly change: ChangeOutcome | undefined;
  readonly evaluation: EvaluateOutcome | undefined;
};

/** An evaluation whose dataset has been opened. */
export type Asked = EvaluateRequest & { readonly source: BatchSource };

/** What a step is done with when its turn has come. */
export type Turn = {
  readonly signal: AbortSignal | undefined;
  readonly beside: Beside | undefined;
  readonly queueMs: number;
};

export type StepsParts = {
  readonly record: RunRecord;
  readonly history: History;
  readonly standing: Standing;
  readonly checkpoints: RunCheckpoints;
  readonly trainable: () => readonly Parameter[];
};

export class Steps {
  readonly #record: RunRecord;
  readonly #history: History;
  readonly #standing: Standing;
  readonly #checkpoints: RunCheckpoints;
  readonly #trainable: StepsParts['trainable'];

  constructor({ record, history, standing, checkpoints, trainable }: StepsParts) {
    this.#record = record;
    this.#history = history;
    this.#standing = standing;
    this.#checkpoints = checkpoints;
    this.#trainable = trainable;
  }

  /** @throws ZerothError of the change, or of the evaluation: the change is durable then. */
  async step(
    model: LoadedModel,
    change: ChangeRequest | undefined,
    asked: Asked | undefined,
    turn: Turn,
  ): Promise<StepOutcome> {
    if (change === undefined) {
      const evaluation = asked && (await this.#evaluate(model, asked, this.#history.head, turn));
      return { change: undefined, evaluation };
    }
    await hashInTurns(change);
    const earlier = this.#history.findAnswered(change);
    if (earlier === undefined) return this.#commit(model, change, asked, turn);
    this.#standing.refuseUnlessActive();
    const head = this.#history.settledAfter(earlier);
    const evaluation = asked && (await this.#evaluate(model, asked, head, turn));
    return { change: { revision: earlier, head: this.#history.head, replayed: true }, evaluation };
  }

  async #evaluate(
    model: LoadedModel,
    asked: Asked,
    head: number,
    { signal, queueMs }: Turn,
    journalMs = 0,
  ): Promise<EvaluateOutcome> {
    const { revision, work } = this.#toWork(asked, head);
    const evaluated = await model.worker.call('evaluate', work, signal);
    return toOutcome(evaluated, { revision, head: this.#history.head }, { queueMs, journalMs });
  }

  #toWork(asked: Asked, head: number, moved?: string): { revision: number; work: EvaluateWork } {
    const { revision, points } = this.pin(asked, head, moved);
    const { source: batch, objective = this.#record.objective, perExampleLosses, outputs } = asked;
    const { outputSelections, outputPlaces } = asked;
    const work = { run: this.#record.name, points, batch, objective, perExampleLosses, outputs };
    return { revision, work: { ...work, outputSelections, outputPlaces } };
  }

  /**
   * @param head what "the head" means where the request does not say.
   * @param moved a snapshot that is about to be at the head of now.
   */
  pin(asked: Pick<EvaluateRequest, 'points' | 'revision'>, head: number, moved?: string) {
    const revision = this.#history.checkRevision(asked.revision ?? head, 'revision', head);
    const points = asked.points.map((point, i) => this.#history.pin(point, revision, `points[${i}]`, moved));
    return { revision, points };
  }

  /**
   * Append, apply, answer. The append is the commit point: what follows completes even if the
   * caller has gone. The worker begins while the disk is flushed (some 0.3 ms, a fifth of a small
   * step); where the append fails it starts anew from the journal.
   */
  async #commit(
    model: LoadedModel,
    request: ChangeRequest,
    asked: Asked | undefined,
    turn: Turn,
  ): Promise<StepOutcome> {
    this.#history.checkChange(request);
    const { signal, beside, queueMs } = turn;
    if (beside?.snapshot !== undefined) await this.tellSnapshots(model, beside.snapshot);
    const evaluate = asked && this.#toWork(asked, this.#history.head + 1, beside?.snapshot);
    const { change } = request;
    const work = { run: this.#record.name, change: encodeChange(change), evaluate: evaluate?.work };
    const applying = model.worker.call('append', work, signal);
    const begun = performance.now();
    const revision = await this.#appendBeside(model, request, applying, beside);
    const journalMs = performance.now() - begun;
    if (change.kind === 'rollback') this.#standing.activate(model);
    this.#checkpoints.note(change);

    let evaluated: WorkerCalls['append']['out']['evaluated'];
    await this.#standing.untilItFails(model, async () => {
      const applied = await applying;
      evaluated = applied.evaluated;
      await this.#standing.regrid(model, applied.due);
    });
    this.#standing.refuseUnlessActive();
    this.#checkpoints.writeIfDue(model, this.#trainable());
    const { head } = this.#history;
    const outcome = { revision, head, replayed: false };
    if (asked === undefined || evaluate === undefined) return { change: outcome, evaluation: undefined };
    if (evaluated === undefined)
      return { change: outcome, evaluation: await this.#evaluate(model, asked, head, turn, journalMs) };
    const at = { revision: evaluate.revision, head };
    return { change: outcome, evaluation: toOutcome(resultOf(evaluated), at, { queueMs, journalMs }) };
  }

  /** @throws what the append throws, once the worker has forgotten what it was told too early. */
  async #appendBeside(
    model: LoadedModel,
    request: ChangeRequest,
    applying: Promise<unknown>,
    beside: Beside | undefined,
  ): Promise<number> {
    try {
      return this.#history.append(request.change, request, beside);
    } catch (error) {
      await applying.catch(() => undefined);
      await this.#standing.startAnew(model, 'at a checkpoint');
      throw error;
    }
  }

  /** @param moved one that is about to be at the head. */
  tellSnapshots(model: LoadedModel, moved?: string): Promise<null> {
    const revisions = this.#history.snapshotsWith(moved).map(({ revision }) => revision);
    return model.worker.call('setSnapshots', { run: this.#record.name, revisions });
  }
}

function toOutcome(
  { results, movingMs, forwardMs }: Evaluated,
  at: Pick<EvaluateOutcome, 'revision' | 'head'>,
  before: Pick<Timing, 'queueMs' | 'journalMs'>,
): EvaluateOutcome {
  return { results, ...at, timing: { ...before, movingMs, forwardMs } };
}
