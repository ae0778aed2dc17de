import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../errors.js';
import { temporaryName } from '../../fs/temporary.js';
import type { IngestedPack } from '../../pack/ingest.js';
import type { Mirror } from '../mirror.js';
import { removePacks } from './gc.js';
import { packDirectory, showToGit } from './layout.js';
import { type MirrorRevision, refsName, refsPath } from './revision.js';
import { isOutdated, publishRevision, readRevision } from './revision-file.js';

/** What a revision will name and earlier ones do not; `refs`: the digest of its refs. */
export interface Incoming {
  readonly packs: readonly IngestedPack[];
  readonly refs?: string | undefined;
}

/** Has `work` fill a directory in a mirror, whose packs and refs are then brought in or lost. */
export async function withIncoming<T>(
  mirror: string,
  work: (incoming: string) => Promise<T>,
): Promise<T> {
  const incoming = join(mirror, temporaryName('incoming'));
  await mkdir(incoming);
  try {
    return await work(incoming);
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

/**
 * Moves packs and refs to where the mirror's are, and has them named by a revision.
 *
 * @param name `undefined` when that is useless by now: then the packs are removed.
 */
export async function bringIn<T>(
  mirror: Mirror,
  incoming: string,
  files: Incoming,
  name: () => Promise<T | undefined>,
): Promise<T | undefined> {
  return await mirror.changeFiles(async () => {
    await moveIn(incoming, mirror.directory, files);
    const named = await name();
    if (named === undefined) await discardPacks(mirror, files.packs);
    return named;
  });
}

async function moveIn(incoming: string, mirror: string, { packs, refs }: Incoming): Promise<void> {
  if (refs !== undefined) await rename(join(incoming, refsName(refs)), refsPath(mirror, refs));
  for (const { name } of packs) {
    for (const file of [`${name}.pack`, `${name}.idx`]) {
      await rename(join(incoming, file), join(packDirectory(mirror), file));
    }
  }
}

async function discardPacks(mirror: Mirror, packs: readonly IngestedPack[]): Promise<void> {
  const { directory, needed } = mirror;
  const current = await readRevision(directory);
  const named = current === undefined ? needed : [...needed, current];
  await removePacks(
    directory,
    packs.map(({ name }) => name),
    named,
  );
}

/**
 * Publishes a revision, when all that it names is there, and shows it to git.
 *
 * @returns `undefined` when another process has published one since.
 */
export async function publish(
  mirror: string,
  after: number,
  content: Omit<MirrorRevision, 'number'>,
): Promise<MirrorRevision | undefined> {
  const revision = await publishRevision(mirror, after, content);
  if (revision !== undefined) await showCurrent(mirror, revision);
  return revision;
}

/**
 * Shows a mirror's current revision to git, beginning with the one that was the last. Of several processes
 * that do so at once, the one that writes last looks last.
 */
export async function showCurrent(mirror: string, revision: MirrorRevision): Promise<void> {
  let shown: MirrorRevision | undefined = revision;
  while (shown !== undefined) {
    try {
      await showToGit(mirror, shown);
    } catch (error) {
      // Its refs, or all of the mirror, were removed by another process.
      const isGone = hasCode(error) && error.code === 'ENOENT';
      if (!isGone || !(await isOutdated(mirror, shown))) throw error;
    }
    const current: MirrorRevision | undefined = await readRevision(mirror);
    shown = current?.number === shown.number ? undefined : current;
  }
}
