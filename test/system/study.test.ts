// kill -9 of the server and of its clients in the middle of a study: what was told is there, what was asked is offered again, and the
// study goes on as if nothing had been.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { connect, type Zeroth } from '../../client/client.ts';
import type { StudyOptions } from '../../client/study-plan.ts';
import type { Tell } from '../../client/trials.ts';
import { StudyState } from '../../proto/gen/zeroth/v1/study_service.ts';
import { ellipsoid } from '../support/ellipsoid.ts';
import { startServerProcess, temporaryFolder } from '../support/server-process.ts';

const STUDY = 'studies/killed';
const TRIALS = 160;

async function prepared() {
  const folder = await temporaryFolder();
  await mkdir(join(folder.path, 'models'));
  return folder;
}

function create(zeroth: Zeroth, trials: number, more: Pick<StudyOptions, 'noise'> = {}) {
  const optimizer = { name: 'cma-es', options: { seed: 11 } };
  return zeroth.studies.create({
    studyId: 'killed',
    space: { start: [1, 2, 3] },
    optimizer,
    trials,
    ...more,
  });
}

async function trialsOf(zeroth: Zeroth) {
  const trials = await Array.fromAsync(zeroth.studies.trials(STUDY));
  return trials.map(({ number, point, value }) => ({ number, point, value }));
}

/** Rounds of four by one client, values in an order of their own; `between` may do what it likes. */
async function rounds(zeroth: Zeroth, between: (round: number) => Promise<void>): Promise<void> {
  for (let round = 0; round < TRIALS / 4; round++) {
    const request = { clientId: 'one', requestId: `round-${round}`, count: 4 };
    const { trials } = await zeroth.studies.ask(STUDY, request);
    await between(round);
    const again = await zeroth.studies.ask(STUDY, request);
    expect(again.trials.map(({ number, point }) => ({ number, point }))).toEqual(
      trials.map(({ number, point }) => ({ number, point })),
    );
    const values = trials.map(
      (each): Tell => ({ trial: each.number, value: ellipsoid(each.point as number[]) }),
    );
    const [first, ...others] = values.reverse();
    await zeroth.studies.tell(STUDY, [first]);
    await zeroth.studies.tell(STUDY, [...others, first]);
  }
}

class Client {
  readonly told: bigint[] = [];
  readonly #child: ChildProcess;

  constructor(address: string) {
    this.#child = spawn(process.execPath, ['test/system/study-client.ts', address, STUDY], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.told.push(BigInt(line)));
  }

  async kill(): Promise<void> {
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }
}

describe('a study', () => {
  test.each<[string, Pick<StudyOptions, 'noise'>]>([
    ['', {}],
    ['of noisy values ', { noise: {} }],
  ])('%sgoes on after kill -9 as if nothing had been', async (_, more) => {
    await using folder = await prepared();
    let server = await startServerProcess(folder.path);
    const flags = ['--port', server.address.split(':')[1]];
    await using zeroth = connect(server.address);
    await create(zeroth, TRIALS, more);
    await rounds(zeroth, async (round) => {
      if (![3, 15, 16, 31].includes(round)) return;
      if (round === 15) expect(await server.stop()).toBe(0);
      else await server.kill();
      server = await startServerProcess(folder.path, flags);
    });
    const killed = await trialsOf(zeroth);
    const estimate = await zeroth.studies.estimate(STUDY);
    expect(estimate === undefined).toBe(more.noise === undefined);
    expect((await zeroth.studies.get(STUDY)).state).toBe(StudyState.STUDY_STATE_COMPLETED);
    expect(await server.stop()).toBe(0);

    await using other = await prepared();
    const whole = await startServerProcess(other.path);
    await using zerothOfWhole = connect(whole.address);
    await create(zerothOfWhole, TRIALS, more);
    await rounds(zerothOfWhole, async () => undefined);
    expect(killed).toEqual(await trialsOf(zerothOfWhole));
    expect(estimate).toEqual(await zerothOfWhole.studies.estimate(STUDY));
    expect(await whole.stop()).toBe(0);
  });

  test('loses nothing that was told, whichever of its processes are killed', async () => {
    await using folder = await prepared();
    let server = await startServerProcess(folder.path);
    const { address } = server;
    const flags = ['--port', address.split(':')[1]];
    await using zeroth = connect(address);
    await create(zeroth, 0);
    const clients = [1, 2, 3].map(() => new Client(address));
    while (clients.some(({ told }) => told.length === 0)) await sleep(50);
    for (let times = 0; times < 3; times++) {
      await sleep(200 + 70 * times);
      await server.kill();
      await clients[times].kill();
      server = await startServerProcess(folder.path, flags);
      clients.push(new Client(address));
    }
    await sleep(300);
    await Promise.all(clients.slice(3).map((each) => each.kill()));
    const trials = await Array.fromAsync(zeroth.studies.trials(STUDY));
    expect(trials.map(({ number }) => number)).toEqual(trials.map((_, i) => BigInt(i + 1)));
    const told = clients.flatMap((each) => each.told);
    expect(told.length).toBeGreaterThan(10);
    // Nothing was evaluated twice but for what was told just when its client or the server went.
    expect(told.length - new Set(told).size).toBeLessThanOrEqual(6);
    for (const number of told) {
      const { value, point } = trials[Number(number) - 1];
      expect(value).toBe(ellipsoid(point as number[]));
    }
    // What the killed ones had is offered to whoever asks, once the leases are over.
    const { open } = await zeroth.studies.get(STUDY);
    const left = new Set(trials.filter(({ value }) => value === undefined).map(({ number }) => number));
    expect(BigInt(left.size)).toBe(open);
    while (left.size > 0) {
      const asked = await zeroth.studies.ask(STUDY, { clientId: 'last', count: left.size, waitMs: 5000 });
      for (const { number, point } of asked.trials) {
        left.delete(number);
        expect(point).toEqual(trials[Number(number) - 1]?.point ?? point);
        await zeroth.studies.tell(STUDY, [{ trial: number, value: 0 }]);
      }
    }
    expect(await server.stop()).toBe(0);
  });
});
