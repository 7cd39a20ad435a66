import { expect, it } from 'vitest';
import { Commits } from '../../../server/study/trials/commits.ts';
import { openRegistry, planOf } from '../registry.ts';

it('what takes long does not keep the event loop: the rest is for another turn, in order', async () => {
  using registry = openRegistry();
  const study = registry.studies.create('a', planOf());
  const log = registry.journal.studies;
  let ms = 0;
  const groups: number[][] = [];
  const counting = {
    ...log,
    together: <T>(work: () => T) => {
      groups.push([]);
      return log.together(work);
    },
  };
  const commits = new Commits(counting, () => ms);
  const works = Array.from({ length: 7 }, (_, i) =>
    commits.add(study, () => {
      ms += 4;
      groups.at(-1)!.push(i);
      if (i === 4) throw new Error('this one');
      return i;
    }),
  );
  const results = await Promise.allSettled(works);
  expect(groups).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
  expect(results.map((each) => (each.status === 'fulfilled' ? each.value : 'failed'))).toEqual([
    0,
    1,
    2,
    3,
    'failed',
    5,
    6,
  ]);
});
