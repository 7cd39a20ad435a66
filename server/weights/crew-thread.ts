// The second thread of a move: it takes chunks of a job that it hears of in time.
import { parentPort } from 'node:worker_threads';
import { Kernel } from '../kernel/kernel.ts';
import { CALLED, type CrewMessage, FAILED, HELPED, JOINED, LOST, NEXT_CHUNK, OPEN_JOB } from './crew.ts';
import { Hand, type Job } from './hand.ts';

type Member = { readonly hand: Hand; readonly control: Int32Array; readonly largest: Float64Array };

/** The thread that owns the weights is hand 0. */
const SECOND_HAND = 1;

const port = parentPort;
if (port === null) throw new Error('crew-thread.ts runs in a worker thread');

const teams = new Map<number, Member>();

port.on('message', (message: CrewMessage) => {
  if (message.kind === 'join') teams.set(message.team, join(message));
  else if (message.kind === 'leave') teams.delete(message.team);
  else help(teams.get(message.team)!, message.id, message.job);
});

function join({ memories, places, control, largest }: Extract<CrewMessage, { kind: 'join' }>): Member {
  const kernels = memories.map((memory) => new Kernel(memory, SECOND_HAND));
  const hand = new Hand(places.map(({ memory, ...place }) => ({ ...place, kernel: kernels[memory] })));
  return { hand, control: new Int32Array(control), largest: new Float64Array(largest) };
}

function help({ hand, control, largest }: Member, id: number, job: Job): void {
  Atomics.store(control, CALLED, 0);
  Atomics.add(control, JOINED, 1);
  try {
    if (Atomics.load(control, OPEN_JOB) !== id) return;
    Atomics.add(control, HELPED, 1);
    const lost = hand.work(job, control.subarray(NEXT_CHUNK, NEXT_CHUNK + 1), largest);
    if (lost < Atomics.load(control, LOST)) Atomics.store(control, LOST, lost);
  } catch (error) {
    Atomics.store(control, FAILED, 1);
    throw error;
  } finally {
    Atomics.sub(control, JOINED, 1);
    Atomics.notify(control, JOINED);
  }
}
