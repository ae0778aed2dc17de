import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../errors.js';
import { renameUnlessTaken } from '../../fs/replace.js';
import { removeTree, temporaryName } from '../../fs/temporary.js';
import type { IngestedPack } from '../../pack/ingest.js';
import { showToGit } from './git-view.js';
import { packDirectory, packFiles, refsName, refsPath } from './layout.js';
import type { MirrorRevision, RevisionContent } from './revision.js';
import { isSuperseded, publishRevision, readRevision } from './revision-file.js';

/** The files of a new revision that its predecessor lacks. */
export interface IncomingFiles {
  readonly packs: readonly IngestedPack[];
  /** Digest of the refs, if they are new. */
  readonly refs: string | undefined;
}

/** Gives `work` a directory in a mirror. Removes it afterwards, with files that were not moved. */
export async function withIncoming<T>(
  mirror: string,
  work: (incoming: string) => Promise<T>,
): Promise<T> {
  const incoming = join(mirror, temporaryName('incoming'));
  await mkdir(incoming);
  return await work(incoming).finally(() => removeTree(incoming));
}

/** A name follows from the content: another process may have moved the same files. */
export async function moveIncoming(
  incoming: string,
  mirror: string,
  { packs, refs }: IncomingFiles,
): Promise<void> {
  if (refs !== undefined) {
    await renameUnlessTaken(join(incoming, refsName(refs)), refsPath(mirror, refs));
  }
  for (const file of packFiles(packs.map(({ name }) => name))) {
    await renameUnlessTaken(join(incoming, file), join(packDirectory(mirror), file));
  }
}

/**
 * Publishes a revision, and shows it to git.
 *
 * @param change makes the revision from the current one; it returns `undefined` to publish nothing.
 * It is called again if another process has published a revision meanwhile.
 */
export async function publish(
  mirror: string,
  change: (current: MirrorRevision | undefined) => RevisionContent | undefined,
): Promise<MirrorRevision | undefined> {
  for (;;) {
    const current = await readRevision(mirror);
    const content = change(current);
    if (content === undefined) return undefined;
    const published = await publishRevision(mirror, current?.number ?? 0, content);
    if (published === undefined) continue;
    await showCurrent(mirror, published);
    return published;
  }
}

/**
 * Shows a mirror's current revision to git. If several processes do so at once, the last writer is
 * also the last to check that its revision is current.
 */
export async function showCurrent(mirror: string, revision: MirrorRevision): Promise<void> {
  let shown: MirrorRevision | undefined = revision;
  while (shown !== undefined) {
    try {
      await showToGit(mirror, shown);
    } catch (error) {
      // Another process may have removed the revision's refs, or the mirror.
      const isMissing = systemCode(error) === 'ENOENT';
      if (!isMissing || !(await isSuperseded({ directory: mirror, revision: shown }))) throw error;
    }
    const current: MirrorRevision | undefined = await readRevision(mirror);
    shown = current?.number === shown.number ? undefined : current;
  }
}
