import {
  type AskResponse,
  type ImportStudyRequest,
  type StudyServiceServer,
  type ToldValue,
  type AskRequest as WireAsk,
  StudyState as WireState,
  type Study as WireStudy,
  type StudyUpdate as WireUpdate,
} from '../../proto/gen/zeroth/v1/study_service.ts';
import { invalid } from '../errors.ts';
import { checkId, checkName } from '../run/names.ts';
import type { AskRequest, Outcome, StudyUpdate, Trial, Value } from '../study/plan.ts';
import { exportStudy } from '../study/portable.ts';
import type { Study } from '../study/study.ts';
import type { Call } from './adapter.ts';
import { toNumber, toOptionalRevision } from './convert.ts';
import { fromStudyPlan, fromTrial, toStudyPlan, toTrialPoint } from './convert-study.ts';
import { page, toPageSize } from './page.ts';
import type { Services } from './services.ts';

/** Of a client's id, and of a request's. */
const ID_CHARACTERS_MAX = 100;

export function studyService({ adapter, config, studies }: Services): StudyServiceServer {
  const find = (name: string, call: Call, field: string): Study => {
    call.note({ study: checkName(name, 'studies', field) });
    return studies.get(name);
  };

  /** As long as a request may wait: until its caller has gone, or the server drains. */
  const signalOf = ({ signal, draining }: Call, request: AskRequest | undefined) =>
    request === undefined || request.waitMs === 0 ? signal : AbortSignal.any([signal, draining]);

  const toAsk = (request: WireAsk, path: string): AskRequest => {
    const { clientId, requestId, count, leaseMs, waitMs } = request;
    const { trialsOpenMax, leaseMsMax, askWaitMsMax } = config;
    if (clientId === '') throw invalid(`${path}client_id`, `1 to ${ID_CHARACTERS_MAX} characters`, '""');
    return {
      client: toShortText(clientId, `${path}client_id`),
      requestId: toShortText(requestId, `${path}request_id`),
      count: toBounded(count, trialsOpenMax, 'trialsOpenMax', `${path}count`) || 1,
      leaseMs: toBounded(leaseMs, leaseMsMax, 'leaseMsMax', `${path}lease_ms`) || config.leaseMs,
      waitMs: toBounded(waitMs, askWaitMsMax, 'askWaitMsMax', `${path}wait_ms`),
    };
  };

  return {
    createStudy: adapter.unary(({ studyId, plan }, call) => {
      const id = studyId === '' ? '' : checkId(studyId, 'study_id');
      const study = studies.create(id, toStudyPlan(plan));
      call.note({ study: study.name });
      return { study: fromStudy(study) };
    }),

    getStudy: adapter.unary(({ name }, call) => ({ study: fromStudy(find(name, call, 'name')) })),

    listStudies: adapter.unary((request) => {
      const { items, nextPageToken } = page(studies.list(), request, config.pageSizeMax);
      return { studies: items.map(fromStudy), nextPageToken };
    }),

    deleteStudy: adapter.unary(({ name }, call) => {
      studies.delete(find(name, call, 'name'));
      return {};
    }),

    ask: adapter.unary(async (request, call) => {
      const study = find(request.study, call, 'study');
      const ask = toAsk(request, '');
      const after = toAfter(study, request.revision, 'revision');
      return answer(study, await studies.ask(study, ask, signalOf(call, ask)), after);
    }),

    tell: adapter.unary(async (request, call) => {
      const study = find(request.study, call, 'study');
      const ask = request.ask && toAsk(request.ask, 'ask.');
      if (request.ask && request.ask.study !== '' && request.ask.study !== study.name)
        throw invalid('ask.study', `${study.name}, or nothing`, JSON.stringify(request.ask.study));
      const after = toAfter(study, request.ask?.revision, 'ask.revision');
      const { trialsOpenMax } = config;
      if (request.values.length > trialsOpenMax)
        throw invalid('values', `at most ${trialsOpenMax} (trialsOpenMax)`, String(request.values.length));
      const values = request.values.map((value, i) => toValue(value, study, `values[${i}]`));
      const requestId = toShortText(request.requestId, 'request_id');
      if (requestId === '' && values.some(({ of }) => 'point' in of))
        throw invalid('request_id', 'an id, where points are told that were never asked for', '""');
      const told = await studies.tell(study, { values, requestId, ask }, signalOf(call, ask));
      return {
        trials: told.trials.map(BigInt),
        asked: told.asked && answer(study, told.asked, after),
        state: stateOf(study),
      };
    }),

    getBest: adapter.unary(({ study: name }, call) => {
      const study = find(name, call, 'study');
      return { best: study.best && fromTrial(study.best, study.plan) };
    }),

    listTrials: adapter.unary((request, call) => {
      const study = find(request.study, call, 'study');
      const size = toPageSize(request.pageSize, config.pageSizeMax);
      const trials = study.trials(toTrialToken(request.pageToken), size);
      const last = trials.at(-1)?.number ?? Infinity;
      return {
        trials: trials.map((trial) => fromTrial(trial, study.plan)),
        nextPageToken: last < study.ledger.trials ? String(last) : '',
      };
    }),

    listUpdates: adapter.unary(({ study: name, afterRevision }, call) => {
      const study = find(name, call, 'study');
      const after = toAfter(study, afterRevision, 'after_revision')!;
      return { updates: study.updates(after).map(fromUpdate), revision: BigInt(study.ledger.revision) };
    }),

    exportStudy: adapter.serverStream(async function* ({ study: name }, call) {
      for await (const lines of exportStudy(find(name, call, 'study')))
        for (let start = 0; start < lines.length; start += config.chunkBytes)
          yield { data: lines.subarray(start, start + config.chunkBytes) };
    }),

    importStudy: adapter.clientStream(async (requests, call) => {
      const parts = requests[Symbol.asyncIterator]();
      const { part } = (await parts.next()).value ?? {};
      if (part?.$case !== 'header') throw invalid('part', 'the header', part?.$case ?? 'nothing');
      const { studyId } = part.value;
      const id = studyId === '' ? '' : checkId(studyId, 'study_id');
      const study = await studies.import(id, dataOf(parts));
      call.note({ study: study.name });
      return { study: fromStudy(study) };
    }),
  };

  function answer(study: Study, trials: readonly Trial[], after: number | undefined): AskResponse {
    return {
      trials: trials.map((trial) => fromTrial(trial, study.plan)),
      state: stateOf(study),
      updates: after === undefined ? [] : study.updates(after).map(fromUpdate),
      revision: BigInt(study.ledger.revision),
    };
  }
}

async function* dataOf(requests: AsyncIterator<ImportStudyRequest>): AsyncGenerator<Uint8Array> {
  for (let next = await requests.next(); !next.done; next = await requests.next()) {
    const { part } = next.value;
    if (part?.$case !== 'data') throw invalid('part', 'data', part?.$case ?? 'nothing');
    yield part.value;
  }
}

function toValue({ of, outcome }: ToldValue, study: Study, field: string): Value {
  if (of === undefined) throw invalid(`${field}.of`, 'a trial or a point', 'neither');
  return {
    of:
      of.$case === 'trial'
        ? { trial: toNumber(of.value, `${field}.trial`) }
        : { point: toTrialPoint(of.value, study.plan.form, `${field}.point`) },
    outcome: toOutcome(outcome, field),
  };
}

/** -0 is 0, as it would be in a field that is not sent. */
function toOutcome(outcome: ToldValue['outcome'], field: string): Outcome {
  if (outcome === undefined) throw invalid(`${field}.outcome`, 'a value or infeasible', 'neither');
  if (outcome.$case === 'infeasible')
    return {
      kind: 'infeasible',
      reason: toShortText(outcome.value, `${field}.infeasible`, REASON_CHARACTERS_MAX),
    };
  if (!Number.isFinite(outcome.value))
    throw invalid(
      `${field}.value`,
      'a finite number; infeasible says that there is none',
      String(outcome.value),
    );
  return { kind: 'told', value: outcome.value + 0 };
}

const REASON_CHARACTERS_MAX = 1000;

function toShortText(text: string, field: string, charactersMax = ID_CHARACTERS_MAX): string {
  if (text.length > charactersMax)
    throw invalid(field, `at most ${charactersMax} characters`, String(text.length));
  return text;
}

function toBounded(value: bigint | number, maximum: number, limit: string, field: string): number {
  if (value < 0 || value > maximum) throw invalid(field, `0 to ${maximum} (${limit})`, String(value));
  return Number(value);
}

/** @returns undefined where it is. */
function toAfter(study: Study, revision: bigint | undefined, field: string): number | undefined {
  const after = toOptionalRevision(revision, field);
  const { revision: head } = study.ledger;
  if (after !== undefined && after > head)
    throw invalid(field, `a revision of 0 to ${head}, that of ${study.name}`, String(after));
  return after;
}

function toTrialToken(token: string): number {
  if (!/^\d{0,15}$/.test(token))
    throw invalid('page_token', 'one that an answer has had', JSON.stringify(token));
  return Number(token);
}

function stateOf(study: Study): WireState {
  return study.isComplete ? WireState.STUDY_STATE_COMPLETED : WireState.STUDY_STATE_ACTIVE;
}

function fromStudy(study: Study): WireStudy {
  const { name, plan, ledger, open, best, createTimeMs } = study;
  return {
    name,
    plan: fromStudyPlan(plan),
    state: stateOf(study),
    trials: BigInt(ledger.trials),
    told: BigInt(ledger.told),
    infeasible: BigInt(ledger.infeasible),
    open: BigInt(open),
    best: best && fromTrial(best, plan),
    revision: BigInt(ledger.revision),
    createTime: new Date(createTimeMs),
  };
}

function fromUpdate({ revision, shifts }: StudyUpdate): WireUpdate {
  return { revision: BigInt(revision), shifts: [...shifts] };
}
