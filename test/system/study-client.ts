// A client of a study as a process of its own: `node study-client.ts ADDRESS STUDY`. It writes the number of each trial that it was
// told is taken, and can be killed at any moment.
import { connect } from '../../client/client.ts';
import type { Tell } from '../../client/trials.ts';
import { ellipsoid } from '../support/ellipsoid.ts';

const [address, study] = process.argv.slice(2);

await using zeroth = connect(address);
const clientId = `process-${process.pid}`;
for (;;) {
  const { trials } = await zeroth.studies.ask(study, { clientId, count: 2, leaseMs: 500, waitMs: 1000 });
  for (const { number, point } of trials) {
    const values: Tell[] = [{ trial: number, value: ellipsoid(point as readonly number[]) }];
    await zeroth.studies.tell(study, values);
    process.stdout.write(`${number}\n`);
  }
}
