// Files that settings name.
import { readFileSync } from 'node:fs';
import { ZerothError } from '../errors.ts';

/** @throws ZerothError naming the setting. */
export function readSettingFile(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw wrongSetting(setting, 'a readable file', messageOf(cause), cause);
  }
}

export function wrongSetting(setting: string, expected: string, got: string, cause?: unknown): ZerothError {
  const message = `${setting}: expected ${expected}, got ${got}`;
  return new ZerothError('invalid-argument', message, { field: setting }, cause);
}

export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
