import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { removeAbandoned } from '../../fs/temporary.js';
import { packDirectory, packPaths } from './layout.js';
import {
  type MirrorRevision,
  packsOf,
  refsName,
  refsPath,
  revisionDirectory,
  revisionPath,
} from './revision.js';
import { revisionNumbers } from './revision-file.js';

/**
 * Milliseconds. Another process may be about to publish a revision with a file that is not older than this:
 * what a crash left just before a start is found by the next sweep.
 */
export const IN_THE_MAKING = 60 * 60_000;

/** Removes what replaced revisions named and none of those that are still needed does. */
export async function removeRevisions(
  mirror: string,
  unread: readonly MirrorRevision[],
  needed: readonly MirrorRevision[],
): Promise<void> {
  const digests = new Set(needed.map(({ digest }) => digest));
  const remove = (path: string) => rm(path, { force: true });
  for (const revision of unread) {
    await remove(revisionPath(mirror, revision.number));
    if (!digests.has(revision.digest)) await remove(refsPath(mirror, revision.digest));
    await removePacks(mirror, packsOf(revision), needed);
  }
}

/** Removes packs that were moved into a mirror for a revision that did not come to be. */
export async function removePacks(
  mirror: string,
  names: readonly string[],
  needed: readonly MirrorRevision[],
): Promise<void> {
  const kept = new Set(needed.flatMap(packsOf));
  for (const path of packPaths(
    mirror,
    names.filter((name) => !kept.has(name)),
  )) {
    // git looks for packs by their idx.
    await rm(`${path}.idx`, { force: true });
    await rm(`${path}.pack`, { force: true });
  }
}

/**
 * Removes what crashed processes left in a mirror: all that its current revision does not name, nor one
 * that this process still needs.
 */
export async function removeCrashed(
  mirror: string,
  current: MirrorRevision,
  needed: readonly MirrorRevision[],
): Promise<void> {
  for (const directory of [mirror, revisionDirectory(mirror), packDirectory(mirror)]) {
    await removeAbandoned(directory);
  }
  for (const number of await revisionNumbers(mirror)) {
    if (number < current.number) await rm(revisionPath(mirror, number), { force: true });
  }
  const kept = [current, ...needed];
  const packs = kept.flatMap(packsOf).flatMap((name) => [`${name}.pack`, `${name}.idx`]);
  const named = new Set([...packs, ...kept.map(({ digest }) => refsName(digest))]);
  await removeOld(packDirectory(mirror), /^pack-[0-9a-f]{40}\.(?:pack|idx)$/, named);
  await removeOld(revisionDirectory(mirror), /^[0-9a-f]{64}\.refs$/, named);
}

async function removeOld(
  directory: string,
  pattern: RegExp,
  named: ReadonlySet<string>,
): Promise<void> {
  for (const name of await readdir(directory)) {
    if (named.has(name) || !pattern.test(name)) continue;
    const path = join(directory, name);
    // Renaming changes the ctime.
    const { ctimeMs } = await stat(path);
    if (Date.now() - ctimeMs > IN_THE_MAKING) await rm(path, { force: true });
  }
}
