import { expect, test } from 'vitest';
import type { JudgeParts } from '../../server/judge/judge.ts';
import type { Question } from '../../server/judge/question.ts';
import { RemoteObjective } from '../../server/judge/remote-objective.ts';

const needs = { outputs: [{ name: 'logits', field: 'objective.outputs[0]' }], tensors: [] };

function question(point: number): Question {
  const none = new Map();
  const piece = { point, places: Int32Array.of(0), rows: Float64Array.of(0), outputs: none, tensors: none };
  return { run: 'runs/r', revision: 0, piece, dataset: '', batchRows: 1 };
}

/** A client that takes messages when it is told to. */
function reader(): JudgeParts & { readonly asked: number[]; take(): void } {
  const asked: number[] = [];
  const sent: (() => void)[] = [];
  return {
    requestsMax: 4,
    asked,
    ask: (_, { piece }, onSent) => {
      asked.push(piece.point);
      sent.push(onSent);
    },
    end: () => {},
    take: () => sent.shift()?.(),
  };
}

test('a client that does not read has one question written to it, whatever it said that it takes', async () => {
  const objective = new RemoteObjective({ name: 'remote/judge', needs, answerMs: 60_000 });
  const [slow, other] = [reader(), reader()];
  objective.join(slow);
  const gone = new AbortController();
  const answers = [0, 1, 2].map((point) => objective.ask(question(point), gone.signal));
  expect(slow.asked).toEqual([0]);
  slow.take();
  expect(slow.asked).toEqual([0, 1]);
  objective.join(other);
  objective.handOut();
  expect(other.asked).toEqual([2]);
  gone.abort();
  for (const answer of answers) await expect(answer).rejects.toMatchObject({ kind: 'cancelled' });
});
