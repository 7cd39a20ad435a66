import type { Decay as WireDecay } from '../../proto/gen/zeroth/v1/common.ts';
import type {
  DriveRequest,
  DriveResponse,
  EvaluateOutputsRequest,
  EvaluateOutputsResponse,
  EvaluateResponse,
  OracleServiceServer,
  StepRequest,
  StepResponse,
  UpdateRequest,
  UpdateResponse,
  EvaluateRequest as WireEvaluateRequest,
  PointResult as WirePointResult,
  Timing as WireTiming,
} from '../../proto/gen/zeroth/v1/oracle_service.ts';
import type { Config } from '../config.ts';
import { invalid, ZerothError } from '../errors.ts';
import type { Evaluation } from '../model/forward/evaluate.ts';
import { decayedTensors } from '../run/decayed-tensors.ts';
import type {
  ChangeOutcome,
  ChangeRequest,
  EvaluateOutcome,
  EvaluateRequest,
  OutputsRequest,
  Timing,
} from '../run/requests.ts';
import type { Run } from '../run/run.ts';
import type { Decay } from '../shift.ts';
import type { PieceOfPoint } from '../worker/messages.ts';
import type { Call } from './adapter.ts';
import {
  checkSeed,
  fromTensors,
  type RequestLimits,
  toBatch,
  toNumber,
  toObjective,
  toOptionalRevision,
  toPoint,
  toPoints,
  toSelections,
  toShifts,
} from './convert.ts';
import { writeHandle } from './handle.ts';
import { getRun, type Services } from './services.ts';
import { toWireStatus } from './status.ts';

export function oracleService(services: Services): OracleServiceServer {
  const { adapter, config } = services;
  let readers = 0;

  const step = async ({ update, evaluate }: StepRequest, call: Call): Promise<StepResponse> => {
    const name = update?.run ?? evaluate?.run;
    if (name === undefined) throw invalid('update, evaluate', 'at least one of the two', 'neither');
    const run = getRun(services, call, name, update === undefined ? 'evaluate.run' : 'update.run');
    if (evaluate !== undefined && evaluate.run !== name) throw invalid('evaluate.run', name, evaluate.run);
    const change = update && toChange(update, 'update.', config, run);
    const evaluation = evaluate && toEvaluation(evaluate, 'evaluate.', config);
    const outcome = await run.step(change, evaluation, call.signal);
    if (outcome.evaluation) noteEvaluation(call, outcome.evaluation);
    if (outcome.change && update) noteChange(call, outcome.change, update);
    return {
      update: outcome.change && fromChange(outcome.change),
      evaluate: outcome.evaluation && fromEvaluation(outcome.evaluation),
    };
  };

  return {
    perturb: adapter.unary(async (request, call) => {
      const run = getRun(services, call, request.run, 'run');
      const { point, head } = await run.perturb(
        toPoint(request.point, 'point', run.name, config),
        call.signal,
      );
      call.note({ revision: point.revision, seeds: seedsOf(point.shifts) });
      const handle = writeHandle(run.name, point);
      return { handle, revision: BigInt(point.revision), head: BigInt(head) };
    }),

    evaluate: adapter.unary(async (request, call) => {
      const run = getRun(services, call, request.run, 'run');
      const { evaluation } = await run.step(undefined, toEvaluation(request, '', config), call.signal);
      noteEvaluation(call, evaluation!);
      return fromEvaluation(evaluation!);
    }),

    update: adapter.unary(async (request, call) => {
      const run = getRun(services, call, request.run, 'run');
      const { change } = await run.step(toChange(request, '', config, run), undefined, call.signal);
      noteChange(call, change!, request);
      return fromChange(change!);
    }),

    step: adapter.unary(step),

    drive: adapter.duplex<DriveRequest, DriveResponse>({
      windowMax: config.driveWindowMax,
      first: { tag: 0n, answer: { $case: 'window', value: { steps: config.driveWindowMax } } },
      handler: async (request, call) => {
        if (request.step === undefined) throw invalid('step', 'a step', 'none');
        return { tag: request.tag, answer: { $case: 'step', value: await step(request.step, call) } };
      },
      toAnswer: ({ tag }, error) => ({ tag, answer: { $case: 'error', value: toWireStatus(error) } }),
    }),

    evaluateOutputs: adapter.serverStream(async function* (request, call) {
      const run = getRun(services, call, request.run, 'run');
      if (request.outputs.length === 0) throw invalid('outputs', 'at least one output', 'none');
      if (readers >= config.watchersMax) throw tooManyReaders(config.watchersMax);
      readers++;
      try {
        const { signal } = call;
        const reading = await run.openOutputs(toOutputs(request, config), { signal });
        const { revision } = reading.facts;
        call.note({ revision, points: request.points.length, examples: reading.rows });
        while (!reading.isDone) for (const piece of await reading.next()) yield fromPiece(piece, revision);
      } finally {
        readers--;
      }
    }),
  };
}

type Conditions = Pick<UpdateRequest, 'requestId' | 'expectedRevision'> &
  Partial<Pick<UpdateRequest, 'measuredAtRevision' | 'stalenessMax'>>;

/** Under which conditions a change may be made; a request without any could be applied twice by a retry. */
export function toChangeConditions(request: Conditions, path = ''): Omit<ChangeRequest, 'change'> {
  const requestId = request.requestId ?? '';
  if (requestId === '' && request.expectedRevision === undefined)
    throw invalid(`${path}request_id`, 'a request_id or an expected_revision', 'neither');
  if (requestId.length > REQUEST_ID_MAX)
    throw invalid(`${path}request_id`, `at most ${REQUEST_ID_MAX} characters`, String(requestId.length));
  if (request.stalenessMax !== undefined && request.measuredAtRevision === undefined)
    throw invalid(`${path}staleness_max`, 'a measured_at_revision beside it', 'none');
  return {
    requestId,
    expectedRevision: toOptionalRevision(request.expectedRevision, `${path}expected_revision`),
    measuredAtRevision: toOptionalRevision(request.measuredAtRevision, `${path}measured_at_revision`),
    stalenessMax: toOptionalRevision(request.stalenessMax, `${path}staleness_max`, STALENESS) ?? 0,
  };
}

const REQUEST_ID_MAX = 128;
const STALENESS = 'a number of revisions, 0 or more';

function toChange(request: UpdateRequest, path: string, limits: RequestLimits, run: Run): ChangeRequest {
  const shifts = toShifts(request.shifts, `${path}shifts`, limits);
  const decay = request.decay && toDecay(request.decay, `${path}decay`, run);
  if (shifts.length === 0 && decay === undefined)
    throw invalid(`${path}shifts`, 'at least one shift, or a decay', 'none');
  return {
    change: { kind: 'shifts', ...(decay && { decay }), shifts },
    ...toChangeConditions(request, path),
  };
}

function toDecay({ factor, seed, ...patterns }: WireDecay, path: string, run: Run): Decay {
  if (!(factor > 0 && factor < 1))
    throw invalid(`${path}.factor`, 'a number above 0 and below 1', String(factor));
  checkSeed(seed, `${path}.seed`);
  return { factor, seed, tensors: decayedTensors(run, patterns, path) };
}

function toEvaluation(request: WireEvaluateRequest, path: string, limits: RequestLimits): EvaluateRequest {
  return {
    points: toPoints(request.points, `${path}points`, request.run, limits),
    batch: toBatch(request.batch, `${path}batch`),
    objective: request.objective && toObjective(request.objective),
    revision: toOptionalRevision(request.revision, `${path}revision`),
    perExampleLosses: request.perExampleLosses,
    outputs: request.outputs,
    outputSelections: toSelections(request.outputSelections, `${path}output_selections`),
    outputPlaces: toPlaces(request.outputRows, `${path}output_rows`),
  };
}

function toOutputs(
  request: EvaluateOutputsRequest,
  limits: RequestLimits & Pick<Config, 'chunkBytes' | 'replyBytesMax'>,
): OutputsRequest {
  return {
    points: toPoints(request.points, 'points', request.run, limits),
    batch: toBatch(request.batch, 'batch'),
    revision: toOptionalRevision(request.revision, 'revision'),
    perExampleLosses: false,
    selections: toSelections(request.outputs, 'outputs'),
    tensors: [],
    pieceBytesMax: limits.chunkBytes,
    rowBytesMax: limits.replyBytesMax,
    bytesMax: limits.replyBytesMax,
  };
}

function fromPiece({ point, places, outputs }: PieceOfPoint, revision: number): EvaluateOutputsResponse {
  const wire = { point, places: Array.from(places, BigInt), outputs: fromTensors(outputs) };
  return { ...wire, revision: BigInt(revision) };
}

function tooManyReaders(watchersMax: number): ZerothError {
  const message = `${watchersMax} streams read outputs already (watchersMax)`;
  return new ZerothError('exhausted', message, { retryAfterMs: 1000 });
}

/** None means all. */
function toPlaces(places: readonly bigint[], field: string): number[] | undefined {
  return places.length === 0 ? undefined : places.map((place, i) => toNumber(place, `${field}[${i}]`));
}

function fromEvaluation(outcome: EvaluateOutcome): EvaluateResponse {
  return {
    results: outcome.results.map(fromResult),
    revision: BigInt(outcome.revision),
    head: BigInt(outcome.head),
    timing: fromTiming(outcome.timing),
  };
}

export function fromTiming({ queueMs, journalMs, movingMs, forwardMs, scoringMs = 0 }: Timing): WireTiming {
  return { queue: queueMs, journal: journalMs, moving: movingMs, forward: forwardMs, scoring: scoringMs };
}

function fromResult(result: Evaluation): WirePointResult {
  return {
    loss: result.loss,
    finite: Number.isFinite(result.loss),
    examples: BigInt(result.examples),
    perExampleLosses: toList(result.perExampleLosses),
    outputs: fromTensors(result.outputs ?? new Map()),
    tokens: BigInt(result.tokens ?? 0),
    perExampleTokens: Array.from(result.perExampleTokens ?? [], BigInt),
  };
}

/** Half a million in a reply: spreading them takes ten times as long. */
function toList(numbers: Float64Array = new Float64Array()): number[] {
  const list = new Array<number>(numbers.length);
  for (let i = 0; i < numbers.length; i++) list[i] = numbers[i];
  return list;
}

function fromChange({ revision, head, replayed }: ChangeOutcome): UpdateResponse {
  return { revision: BigInt(revision), head: BigInt(head), replayed };
}

/** Enough to find a step in the log again, and not a line of thousands of seeds. */
const SEEDS_LOGGED = 8;

/** JSON has no bigint, and a number would lose the last digits. */
function seedsOf(shifts: readonly { seed: bigint }[]): string[] {
  return shifts.slice(0, SEEDS_LOGGED).map(({ seed }) => String(seed));
}

function noteEvaluation(call: Call, { results, revision }: EvaluateOutcome): void {
  const [first] = results;
  call.note({ revision, points: results.length, examples: first.examples, loss: first.loss });
}

function noteChange(call: Call, change: ChangeOutcome, request: UpdateRequest): void {
  const { revision, replayed } = change;
  const decay = request.decay && { decay: request.decay.factor };
  call.note({ revision, seeds: seedsOf(request.shifts), ...decay, ...(replayed ? { replayed } : {}) });
}
