import { GRACE_PERIOD, removeSuperseded, sweep } from './disk/gc.js';
import { inspectMirror } from './disk/integrity.js';
import { readRevision } from './disk/revision-file.js';
import type { Mirror } from './mirror.js';

/** Removes superseded revisions without readers, and once an hour files of crashed processes. */
export async function collectGarbage(mirror: Mirror): Promise<void> {
  if (mirror.hasUnread) await mirror.changeFiles(() => removeUnread(mirror));
  if (Date.now() - mirror.sweptAt > GRACE_PERIOD) {
    await mirror.changeFiles(() => removeCrashed(mirror));
  }
}

async function removeUnread(mirror: Mirror): Promise<void> {
  const { directory } = mirror;
  const unread = mirror.takeUnread();
  if (unread.length === 0) return;
  const current = await readRevision(directory);
  // After another process has cloned the mirror again, new packs may have the names of old ones.
  if (current === undefined || unread.some(({ clone }) => clone !== current.clone)) return;
  await removeSuperseded(directory, unread, [...mirror.needed, current]);
  mirror.bytes = await inspectMirror(directory, current);
}

async function removeCrashed(mirror: Mirror): Promise<void> {
  const { directory } = mirror;
  mirror.sweptAt = Date.now();
  const current = await readRevision(directory);
  // Another process may have cloned the mirror again.
  if (current === undefined || current.clone !== mirror.revision?.clone) return;
  await sweep(directory, current, mirror.needed);
}
