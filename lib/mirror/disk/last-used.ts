import { open, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../../fs/errors.js';
import type { Mirror } from '../mirror.js';
import { revisionDirectory } from './revision.js';

/*
 * When clients last asked for a repository, beyond the life of a process: the mtime of an empty file in its
 * mirror. That of a directory changes with whatever is done in it.
 */

/** Milliseconds in which it is not written down again. */
const NOTE_INTERVAL = 60_000;

/** Notes that a client asked for the repository: the mirror that was used longest ago goes first. */
export async function noteUse(mirror: Mirror): Promise<void> {
  const now = new Date();
  mirror.usedAt = now.getTime();
  if (mirror.usedAt - mirror.notedAt < NOTE_INTERVAL) return;
  mirror.notedAt = mirror.usedAt;
  await unlessMissing(writeDown(mirror.directory, now));
}

/** @throws ENOENT when there is no mirror. */
async function writeDown(mirror: string, time: Date): Promise<void> {
  await (await open(path(mirror), 'a')).close();
  await utimes(path(mirror), time, time);
}

/** In milliseconds since the epoch; `undefined` when it was never noted. */
export async function usedAtOf(mirror: string): Promise<number | undefined> {
  return (await unlessMissing(stat(path(mirror))))?.mtimeMs;
}

function path(mirror: string): string {
  return join(revisionDirectory(mirror), 'used');
}
