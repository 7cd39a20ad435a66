// Exports to be imported, whole or not.
import { createHash } from 'node:crypto';
import type { StudyPlan } from '../../../server/study/plan/plan.ts';
import { exportStudy } from '../../../server/study/portable/portable.ts';
import type { Study } from '../../../server/study/trials/study.ts';
import { encode } from '../../../server/text.ts';
import { forEver, type Registry, request, told } from '../registry.ts';

/** Some rounds of it, in which not everything is told. */
export async function evaluated({ studies }: Registry, plan: StudyPlan): Promise<Study> {
  const study = studies.create('', plan);
  for (let round = 0; round < 3; round++) {
    const trials = await studies.ask(study, request({ count: 5 }), forEver);
    const values = trials.slice(round % 2).map(({ number }) => told(number, Math.cos(number)));
    await studies.tell(study, { values, requestId: '', ask: undefined }, forEver);
  }
  const infeasible = { kind: 'infeasible', reason: 'number:NaN' } as const;
  await studies
    .tell(
      study,
      { values: [{ of: { trial: 1 }, outcome: infeasible }], requestId: '', ask: undefined },
      forEver,
    )
    .catch(() => undefined);
  return study;
}

export async function bytesOf(study: Study): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(exportStudy(study)));
}

/** Lines with their digest made anew. */
export function signed(lines: readonly unknown[]): Buffer {
  const text = lines.map((each) => `${encode(each)}\n`).join('');
  const sha256 = createHash('sha256').update(text).digest('hex');
  return Buffer.from(`${text}${JSON.stringify({ sha256 })}\n`);
}
