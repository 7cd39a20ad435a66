import { describe, expect, test } from 'vitest';
import { checkId, checkName, checkSnapshotName, toId } from '../server/names.ts';

describe('names', () => {
  test.each([
    ['My Model.onnx', 'my-model'],
    ['sub/dir/Bert_base.ONNX', 'sub-dir-bert-base'],
    ['---.onnx', 'model'],
    [`${'a'.repeat(62)}--b.onnx`, 'a'.repeat(62)],
  ])('a file %s gives the id %s', (file, id) => {
    expect(toId(file)).toBe(id);
    expect(checkId(id, 'model_id')).toBe(id);
  });

  test.each([
    'runs',
    'runs/',
    'runs/A',
    'runs/-a',
    'runs/a-',
    'runs/a/b',
    'models/a',
    '',
    `runs/${'a'.repeat(64)}`,
  ])('%j is no run', (name) => {
    expect(() => checkName(name, 'runs', 'name')).toThrow(
      `name: expected a name of the form "runs/*", got ${JSON.stringify(name)}`,
    );
  });

  test('a snapshot is named within its run', () => {
    expect(checkSnapshotName('runs/r/snapshots/s', 'name')).toEqual({ run: 'runs/r', id: 's' });
    expect(() => checkSnapshotName('runs/r', 'anchor.snapshot')).toThrow(
      'anchor.snapshot: expected a name of the form "runs/*/snapshots/*", got "runs/r"',
    );
  });
});
