// Loaded into a server's process before it (`node --import`): measures the turns of its event loop, and tells the longest to its parent.
import { readFileSync } from 'node:fs';

/** A turn is what lies between two of these. */
const TICK_MS = 1;
const NS_PER_MS = 1e6;

/**
 * How long this thread has been on a processor, in ms: the kernel's account of it, the first of its numbers. By the clock a turn is as long as
 * neighbours and the disk make it, and a garbage collection waits for its own threads. The clock where there is no such file.
 */
function busyMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / NS_PER_MS;
  } catch {
    return performance.now() - TICK_MS;
  }
}

let longestMs = 0;
let before = busyMs();

function tick(): void {
  const now = busyMs();
  longestMs = Math.max(longestMs, now - before);
  before = now;
}

setInterval(tick, TICK_MS).unref();

process.on('message', () => {
  tick();
  process.send!(longestMs);
  longestMs = 0;
});
process.channel?.unref();
