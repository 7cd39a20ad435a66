// What is asked and told of studies, checked and converted.
import type { ToldValue, AskRequest as WireAsk } from '../../proto/gen/zeroth/v1/study_service.ts';
import type { Config } from '../config.ts';
import { invalid } from '../errors.ts';
import {
  type AskRequest,
  ID_CHARACTERS_MAX,
  type Outcome,
  REASON_CHARACTERS_MAX,
  type Value,
} from '../study/plan/plan.ts';
import type { Study } from '../study/trials/study.ts';
import { toNumber, toOptionalRevision } from './convert.ts';
import { toTrialPoint } from './convert-trial.ts';

type AskLimits = Pick<Config, 'trialsOpenMax' | 'leaseMs' | 'leaseMsMax' | 'askWaitMsMax'>;

export function toAsk(request: WireAsk, path: string, config: AskLimits): AskRequest {
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
}

export function toValue({ of, outcome }: ToldValue, study: Study, field: string): Value {
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

export function toShortText(text: string, field: string, charactersMax = ID_CHARACTERS_MAX): string {
  if (text.length > charactersMax)
    throw invalid(field, `at most ${charactersMax} characters`, String(text.length));
  return text;
}

function toBounded(value: bigint | number, maximum: number, limit: string, field: string): number {
  if (value < 0 || value > maximum) throw invalid(field, `0 to ${maximum} (${limit})`, String(value));
  return Number(value);
}

/** @returns undefined where it is. */
export function toAfter(study: Study, revision: bigint | undefined, field: string): number | undefined {
  const after = toOptionalRevision(revision, field);
  const { revision: head } = study.ledger;
  if (after !== undefined && after > head)
    throw invalid(field, `a revision of 0 to ${head}, that of ${study.name}`, String(after));
  return after;
}

export function toTrialToken(token: string): number {
  if (!/^\d{0,15}$/.test(token))
    throw invalid('page_token', 'one that an answer has had', JSON.stringify(token));
  return Number(token);
}
