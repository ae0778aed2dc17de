import { open, stat, utimes } from 'node:fs/promises';
import { unlessMissing } from '../../fs/errors.js';
import { lastUsedPath } from './layout.js';

// When a client last requested a repository, as the mtime of an empty file: a restart must not
// forget it. The mtime of the mirror's directory is of no use: each change of its files sets it.

/** Does nothing when the mirror is gone. */
export async function writeLastUsed(mirror: string, time: Date): Promise<void> {
  const path = lastUsedPath(mirror);
  const file = await unlessMissing(open(path, 'a'));
  await file?.close();
  // By path: the handles of Yarn's Plug'n'Play can't, and Node's permission model does not let them.
  if (file !== undefined) await unlessMissing(utimes(path, time, time));
}

/** @returns milliseconds since the epoch; `undefined` when it was never written. */
export async function readLastUsed(mirror: string): Promise<number | undefined> {
  return (await unlessMissing(stat(lastUsedPath(mirror))))?.mtimeMs;
}
