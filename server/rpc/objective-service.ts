import type {
  ObjectiveServiceServer,
  ScoreRequest,
  ServedObjective,
  ServeObjectiveRequest,
  ServeObjectiveResponse,
  Score as WireScore,
} from '../../proto/gen/zeroth/v1/objective_service.ts';
import { invalid, ZerothError } from '../errors.ts';
import type { Place } from '../judge/judges.ts';
import type { Question, Score } from '../judge/question.ts';
import type { Partner } from './adapter.ts';
import { fromTensors, toSelections } from './convert.ts';
import type { Services } from './services.ts';

export function objectiveService({ adapter, config, judges }: Services): ObjectiveServiceServer {
  const join = (served: ServedObjective, { send, end }: Partner<ServeObjectiveResponse>): Place => {
    const { name, requests } = served;
    if (requests < 0) throw invalid('objective.requests', '0 or more', String(requests));
    if (served.outputs.length === 0) throw invalid('objective.outputs', 'at least one output', 'none');
    const outputs = toSelections(served.outputs, 'objective.outputs');
    const twice = outputs.find(({ name }, i) => outputs.findIndex((each) => each.name === name) !== i);
    if (twice !== undefined) throw invalid(twice.field, 'every output once', `"${twice.name}" again`);
    const tensors = [...new Set(served.tensors)];
    if (tensors.includes(''))
      throw invalid(`objective.tensors[${served.tensors.indexOf('')}]`, 'the name of a tensor', '""');
    const place = judges.join(name, { outputs, tensors }, requests, {
      ask: (id, question, onSent) =>
        send({ part: { $case: 'request', value: fromQuestion(id, question) } }, onSent),
      end,
    });
    const answerMs = BigInt(config.remoteObjectiveMs);
    send({ part: { $case: 'served', value: { requests: place.requestsMax, answerMs } } });
    judges.handOut(name);
    return place;
  };

  return {
    serveObjective: adapter.conversation<ServeObjectiveRequest, ServeObjectiveResponse>((partner, call) => {
      let place: Place | undefined;
      let isOver = false;
      return {
        receive({ part }) {
          if (isOver) return;
          if (place === undefined) {
            if (part?.$case !== 'objective')
              throw invalid(
                'objective',
                'the objective that is served, first of all',
                part?.$case ?? 'nothing',
              );
            call.note({ objective: part.value.name });
            place = join(part.value, partner);
          } else {
            if (part?.$case !== 'score') throw invalid('score', 'a score', part?.$case ?? 'nothing');
            place.judge.answer(part.value.id, toScore(part.value));
          }
        },
        drain() {
          if (place === undefined) partner.end();
          else place.drain();
        },
        leave() {
          isOver = true;
          place?.leave();
        },
      };
    }),
  };
}

function fromQuestion(id: bigint, { run, revision, piece, dataset, batchRows }: Question): ScoreRequest {
  const { point, rows, outputs, tensors } = piece;
  return {
    id,
    run,
    revision: BigInt(revision),
    point,
    dataset,
    rows: Array.from(rows, BigInt),
    outputs: fromTensors(outputs),
    tensors: fromTensors(tensors),
    batchRows: BigInt(batchRows),
  };
}

/** What a client says of its own failure; its code is its own, and not that of a call here. */
const MESSAGE_CHARACTERS_MAX = 500;

function toScore({ result }: WireScore): Score | ZerothError {
  switch (result?.$case) {
    case 'losses':
      return { kind: 'losses', losses: result.value.values };
    case 'mean':
      return { kind: 'mean', ...result.value };
    case 'error': {
      const message = result.value.message.slice(0, MESSAGE_CHARACTERS_MAX);
      return new ZerothError('judge-failed', message === '' ? 'its client could not score' : message);
    }
    case undefined:
      return new ZerothError('judge-failed', 'score: expected losses, a mean or an error, got none');
  }
}
