// What a device makes of Zeroth, in one run: `npm run bench:gpu -- --device cuda`. A part that fails is named, and the others go on:
// a machine with a GPU may be there for this one run.
import { writeFile } from 'node:fs/promises';
import { machine } from '../machine.ts';
import { measure, type Result, table } from '../results.ts';
import { memoryBenches } from './memory.ts';
import { moveBenches } from './moves.ts';
import { cards } from './nvidia.ts';
import { readOptions } from './options.ts';
import { memorySource } from './peak.ts';
import { stepBenches } from './step.ts';

async function main(): Promise<void> {
  const { json, ...options } = readOptions(process.argv.slice(2));
  const memory = await memorySource(options.device);
  const groups = [stepBenches(options), moveBenches(options), memoryBenches(options, memory)];
  const results: Result[] = [];
  const failures: string[] = [];
  for (const benches of groups) {
    try {
      for (const bench of benches) results.push(await measure(bench));
    } catch (error) {
      failures.push(`${benches[0].name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const report = { machine: { ...machine(), cards: await cards() }, options, memory, results, failures };
  if (json !== undefined) await writeFile(json, `${JSON.stringify(report, undefined, 2)}\n`);
  console.log(table(results));
  console.log(
    `${Object.entries(options)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')}; memory: ${memory}`,
  );
  if (failures.length > 0) throw new Error(failures.join('\n'));
}

await main().catch((error: unknown) => {
  process.stderr.write(`bench:gpu: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
