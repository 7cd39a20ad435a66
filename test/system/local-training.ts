// A process that trains by zeroth/local on a folder, and says how far its updates have been acknowledged: killed by a test.
import { join } from 'node:path';
import { openLocal } from '../../client/local.ts';
import { startTraining } from '../support/training.ts';

const folder = process.argv[2];
const settings = { modelDir: join(folder, 'models'), dataDir: join(folder, 'data'), threads: 1 };
await using zeroth = await openLocal(settings);
const { reports } = await startTraining(zeroth);
for await (const { revision } of reports) process.stdout.write(`${revision}\n`);
