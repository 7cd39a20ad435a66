import {
  type AskResponse,
  type ImportStudyRequest,
  type StudyServiceServer,
  StudyState as WireState,
  Study as WireStudy,
  type StudyUpdate as WireUpdate,
} from '../../proto/gen/zeroth/v1/study_service.ts';
import { invalid } from '../errors.ts';
import { checkId, checkName } from '../names.ts';
import type { AskRequest, StudyUpdate, Trial } from '../study/plan/plan.ts';
import { exportStudy } from '../study/portable/portable.ts';
import type { Studies } from '../study/studies.ts';
import type { Study } from '../study/trials/study.ts';
import type { Call } from './adapter.ts';
import { fromStudyPlan, toStudyPlan } from './convert-study.ts';
import { fromEstimate, fromTrial } from './convert-trial.ts';
import { page, toPageSize } from './page.ts';
import type { Services } from './services.ts';
import { toAfter, toAsk, toShortText, toTrialToken, toValue } from './study-requests.ts';

export function studyService({ adapter, config, studies }: Services): StudyServiceServer {
  const find = async (name: string, call: Call, field: string): Promise<Study> => {
    call.note({ study: checkName(name, 'studies', field) });
    const study = studies.get(name);
    await studies.read(study);
    return study;
  };

  /** As long as a request may wait: until its caller has gone, or the server drains. */
  const signalOf = ({ signal, draining }: Call, request: AskRequest | undefined) =>
    request === undefined || request.waitMs === 0 ? signal : AbortSignal.any([signal, draining]);

  return {
    createStudy: adapter.unary(({ studyId, plan }, call) => {
      const id = studyId === '' ? '' : checkId(studyId, 'study_id');
      const study = studies.create(id, toStudyPlan(plan));
      call.note({ study: study.name });
      return { study: fromStudy(study) };
    }),

    getStudy: adapter.unary(async ({ name }, call) => ({ study: fromStudy(await find(name, call, 'name')) })),

    listStudies: adapter.unary(async (request) => {
      const { items, nextPageToken } = page(studies.list(), request, config.pageSizeMax);
      const shown = await listed(studies, items, config.replyBytesMax);
      // What does not fit goes to the next page.
      const isCut = shown.length > 0 && shown.at(-1)!.name !== items.at(-1)!.name;
      return { studies: shown, nextPageToken: isCut ? shown.at(-1)!.name : nextPageToken };
    }),

    deleteStudy: adapter.unary(({ name }, call) => {
      call.note({ study: checkName(name, 'studies', 'name') });
      studies.delete(studies.get(name));
      return {};
    }),

    ask: adapter.unary(async (request, call) => {
      const study = await find(request.study, call, 'study');
      const ask = toAsk(request, '', config);
      const after = toAfter(study, request.revision, 'revision');
      return answer(study, await studies.ask(study, ask, signalOf(call, ask)), after);
    }),

    tell: adapter.unary(async (request, call) => {
      const study = await find(request.study, call, 'study');
      const ask = request.ask && toAsk(request.ask, 'ask.', config);
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

    getBest: adapter.unary(async ({ study: name }, call) => {
      const study = await find(name, call, 'study');
      const { best, estimate, plan } = study;
      return { best: best && fromTrial(best, plan), estimate: estimate && fromEstimate(estimate, plan) };
    }),

    listTrials: adapter.unary(async (request, call) => {
      const study = await find(request.study, call, 'study');
      const size = toPageSize(request.pageSize, config.pageSizeMax);
      const trials = study.trials(toTrialToken(request.pageToken), size);
      const last = trials.at(-1)?.number ?? Infinity;
      return {
        trials: trials.map((trial) => fromTrial(trial, study.plan)),
        nextPageToken: last < study.ledger.trials ? String(last) : '',
      };
    }),

    listUpdates: adapter.unary(async ({ study: name, afterRevision }, call) => {
      const study = await find(name, call, 'study');
      const after = toAfter(study, afterRevision, 'after_revision')!;
      return { updates: study.updates(after).map(fromUpdate), revision: BigInt(study.ledger.revision) };
    }),

    exportStudy: adapter.serverStream(async function* ({ study: name }, call) {
      for await (const lines of exportStudy(await find(name, call, 'study')))
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

/** In order, as many as an answer has room for, and one at least. */
async function listed(studies: Studies, items: readonly Study[], bytesMax: number): Promise<WireStudy[]> {
  const shown: WireStudy[] = [];
  let bytes = 0;
  for (const study of items) {
    await studies.read(study);
    if (study.isDeleted) continue;
    const each = fromStudy(study);
    bytes += WireStudy.encode(each).finish().length;
    if (bytes > bytesMax && shown.length > 0) break;
    shown.push(each);
  }
  return shown;
}

function stateOf(study: Study): WireState {
  return study.isComplete ? WireState.STUDY_STATE_COMPLETED : WireState.STUDY_STATE_ACTIVE;
}

function fromStudy(study: Study): WireStudy {
  const { name, plan, ledger, open, best, estimate, createTimeMs } = study;
  return {
    name,
    plan: fromStudyPlan(plan),
    state: stateOf(study),
    trials: BigInt(ledger.trials),
    told: BigInt(ledger.told),
    infeasible: BigInt(ledger.infeasible),
    open: BigInt(open),
    best: best && fromTrial(best, plan),
    estimate: estimate && fromEstimate(estimate, plan),
    revision: BigInt(ledger.revision),
    createTime: new Date(createTimeMs),
  };
}

function fromUpdate({ revision, shifts }: StudyUpdate): WireUpdate {
  return { revision: BigInt(revision), shifts: [...shifts] };
}
