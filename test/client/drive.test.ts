// The window of a drive, kept by the client. A call of GetServerInfo on the same connection comes
// after everything that was written before it, so its answer shows what has not been sent.
import { describe, expect, it } from 'vitest';
import type { Zeroth } from '../../client/client.ts';
import type { Drive } from '../../client/drive.ts';
import type { StepResponse } from '../../proto/gen/zeroth/v1/oracle_service.ts';
import { StandIn } from './stand-in.ts';

async function parking(window: number): Promise<StandIn> {
  const server = await StandIn.start();
  server.window = window;
  server.parks = true;
  return server;
}

function update(drive: Drive, id: number, signal?: AbortSignal): Promise<StepResponse> {
  const shifts = [{ seed: BigInt(id), scale: 1 }];
  return drive.step({ update: { run: 'runs/a', shifts, requestId: `${id}` } }, { signal });
}

async function arrived(server: StandIn, zeroth: Zeroth): Promise<string[]> {
  await zeroth.info();
  return server.entries.map(({ requestId }) => requestId);
}

async function hasParked(server: StandIn, steps: number): Promise<void> {
  await expect.poll(() => server.parked, { timeout: 60_000 }).toHaveLength(steps);
}

describe('a drive', () => {
  it('sends no more steps than the window, and the others in order as answers come', async () => {
    await using server = await parking(2);
    await using zeroth = server.connect();
    using drive = zeroth.oracle.drive();
    const steps = [1, 2, 3, 4, 5].map((id) => update(drive, id));
    await hasParked(server, 2);
    expect(await arrived(server, zeroth)).toEqual(['1', '2']);
    server.parked[1]();
    expect((await steps[1]).update?.revision).toBe(2n);
    expect(await arrived(server, zeroth)).toEqual(['1', '2', '3']);
    server.parks = false;
    for (const answer of [server.parked[0], server.parked[2]]) answer();
    const answers = await Promise.all(steps);
    expect(answers.map((each) => each.update?.revision)).toEqual([1n, 2n, 3n, 4n, 5n]);
  });

  it('a step that is given up while it waits is never sent', async () => {
    await using server = await parking(1);
    await using zeroth = server.connect();
    using drive = zeroth.oracle.drive();
    const abort = new AbortController();
    const [first, given, last] = [update(drive, 1), update(drive, 2, abort.signal), update(drive, 3)];
    abort.abort('given up');
    await expect(given).rejects.toBe('given up');
    await hasParked(server, 1);
    server.parks = false;
    server.parked[0]();
    await Promise.all([first, last]);
    expect(await arrived(server, zeroth)).toEqual(['1', '3']);
  });

  it('a step that is given up under way keeps its place until the server has answered it', async () => {
    await using server = await parking(1);
    await using zeroth = server.connect();
    using drive = zeroth.oracle.drive();
    const abort = new AbortController();
    const given = update(drive, 1, abort.signal);
    await hasParked(server, 1);
    const next = update(drive, 2);
    abort.abort('given up');
    await expect(given).rejects.toBe('given up');
    expect(await arrived(server, zeroth)).toEqual(['1']);
    server.parks = false;
    server.parked[0]();
    expect((await next).update?.revision).toBe(2n);
  });

  it('steps that wait when the stream breaks are sent on the next one', async () => {
    await using server = await StandIn.start();
    await using zeroth = server.connect();
    using drive = zeroth.oracle.drive();
    server.fault = (call) => (call === 1 ? 'lost answer' : undefined);
    const answers = await Promise.all([1, 2, 3].map((id) => update(drive, id)));
    expect(answers.map((each) => each.update?.replayed)).toEqual([true, false, false]);
    expect(server.entries).toHaveLength(3);
  });
});
