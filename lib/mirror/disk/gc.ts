import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { removeAbandoned } from '../../fs/temporary.js';
import {
  packDirectory,
  packFiles,
  packPaths,
  refsName,
  refsPath,
  revisionDirectory,
} from './layout.js';
import { type MirrorRevision, packsOf } from './revision.js';
import { removeRevision, revisionNumbers } from './revision-file.js';

/** Milliseconds. A sweep keeps younger files: another process may be about to publish them. */
export const GRACE_PERIOD = 60 * 60_000;

/** Removes superseded revisions, with the files that no needed revision names. */
export async function removeSuperseded(
  mirror: string,
  superseded: readonly MirrorRevision[],
  needed: readonly MirrorRevision[],
): Promise<void> {
  const digests = new Set(needed.map(({ digest }) => digest));
  for (const { number, digest } of superseded) {
    await removeRevision(mirror, number);
    if (!digests.has(digest)) await rm(refsPath(mirror, digest), { force: true });
  }
  await removePacks(mirror, superseded.flatMap(packsOf), needed);
}

/** Removes packs that no needed revision names. */
export async function removePacks(
  mirror: string,
  names: readonly string[],
  needed: readonly MirrorRevision[],
): Promise<void> {
  const kept = new Set(needed.flatMap(packsOf));
  const unneeded = names.filter((name) => !kept.has(name));
  for (const path of packPaths(mirror, unneeded)) {
    // git finds packs by their idx.
    await rm(`${path}.idx`, { force: true });
    await rm(`${path}.pack`, { force: true });
  }
}

/** Removes leftovers of crashed processes. @param needed all needed revisions, with `current`. */
export async function sweep(
  mirror: string,
  current: MirrorRevision,
  needed: readonly MirrorRevision[],
): Promise<void> {
  for (const directory of [mirror, revisionDirectory(mirror), packDirectory(mirror)]) {
    await removeAbandoned(directory);
  }
  for (const number of await revisionNumbers(mirror)) {
    if (number < current.number) await removeRevision(mirror, number);
  }
  const packs = packFiles(needed.flatMap(packsOf));
  const named = new Set([...packs, ...needed.map(({ digest }) => refsName(digest))]);
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
    // Unlike the mtime, the ctime changes when a file is moved into the mirror.
    const { ctimeMs } = await stat(path);
    if (Date.now() - ctimeMs > GRACE_PERIOD) await rm(path, { force: true });
  }
}
