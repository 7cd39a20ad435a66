// Loaded into a server's process before it (`node --import`): measures the turns of its event loop, and tells the longest to its parent.
import { readFileSync } from 'node:fs';

/** A turn is what lies between two of these. */
const TICK_MS = 1;
const NS_PER_MS = 1e6;

/**
 * How long this thread has waited for a processor, in ms: the kernel's account of it, its second number. Without it a neighbour's work would be
 * taken for the server's. 0 where there is no such file.
 */
function waitedMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]) / NS_PER_MS;
  } catch {
    return 0;
  }
}

let longestMs = 0;
let before = { at: performance.now(), waited: waitedMs() };

function tick(): void {
  const now = { at: performance.now(), waited: waitedMs() };
  const turnMs = now.at - before.at - (now.waited - before.waited) - TICK_MS;
  longestMs = Math.max(longestMs, turnMs);
  before = now;
}

setInterval(tick, TICK_MS).unref();

process.on('message', () => {
  tick();
  process.send!(longestMs);
  longestMs = 0;
});
process.channel?.unref();
