// A process that appends without end and prints each revision once its append has returned.
import { writeSync } from 'node:fs';
import { openJournal } from '../../server/journal/sqlite.ts';
import { runRecord, update } from './updates.ts';

const journal = openJournal(process.argv[2], { sync: 'full' });
journal.createRun(runRecord('runs/a'));
for (let step = 1; ; step++) writeSync(1, `${journal.append('runs/a', update(step)).revision}\n`);
