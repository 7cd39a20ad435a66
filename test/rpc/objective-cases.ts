// A server with objectives of the operator, and a run to evaluate by them.
import { toBatch } from '../../client/convert.ts';
import type { Start } from '../support/bare-judge.ts';
import { OBJECTIVE } from '../support/fixture-server.ts';
import { near, shift } from './wire.ts';

const RUN = 'runs/scored';
/** Seven rows a pass: 40 rows take six, the last one shorter. */
const FLAGS = ['--rows-per-micro-batch-max', '7', '--objective-ms-max', '300'];

export async function openScored(open: Start, objectiveDir: string) {
  const fixture = await open([...FLAGS, '--objective-dir', objectiveDir]);
  const { zeroth, model, dataset } = fixture;
  await zeroth.runs.create({ model, runId: 'scored', objective: OBJECTIVE });
  /** At three points that have another loss each. */
  const evaluate = async (name: string, more: object = {}) => {
    const points = [near(), near(shift(3n, 0.3)), near(shift(4n, -0.2))];
    const request = { run: RUN, points, batch: toBatch(dataset), objective: { name }, ...more };
    return (await zeroth.oracle.evaluate(request as never)).results;
  };
  const losses = async (name: string, more: object = {}) =>
    (await evaluate(name, more)).map(({ loss }) => loss);
  return { ...fixture, evaluate, losses };
}

export type Scored = Awaited<ReturnType<typeof openScored>>;
