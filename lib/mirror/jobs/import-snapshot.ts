import { createReadStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { type SerializedError, SnapshotError, serializeError } from '../../errors.js';
import { reachableObjects } from '../../history/reachable-objects.js';
import type { IngestedPack } from '../../pack/ingest.js';
import { withReader } from '../../pack/with-reader.js';
import type { Advertisement } from '../../upstream/advertisement.js';
import { packDirectory, packPaths } from '../disk/layout.js';
import type { CloneTask } from './clone.js';
import { isSmall } from './connectivity.js';
import { chooseHaves } from './haves.js';
import type { JobContext } from './job-context.js';
import { unpackSnapshotPacks } from './snapshot-packs.js';

/** What a clone need not fetch. */
export interface Bootstrap {
  readonly restored: readonly IngestedPack[];
  /** Ids of what refs of the snapshot name. */
  readonly known: ReadonlySet<string>;
  /** What is still to be fetched, and what to tell the upstream that is there. */
  readonly wants: readonly string[];
  readonly haves: readonly string[];
  /** Why nothing was restored. */
  readonly failure: SerializedError | undefined;
  /** Whether it is the snapshot that is to blame for that: not a limit, the disk, or perhaps the upstream. */
  readonly isDamaged: boolean;
}

/** All is to be fetched. */
export function nothingRestored(tips: ReadonlySet<string>, failure?: unknown): Bootstrap {
  return {
    restored: [],
    known: new Set(),
    wants: [...tips],
    haves: [],
    failure: failure === undefined ? undefined : serializeError(failure),
    isDamaged: false,
  };
}

/**
 * Restores the packs of a snapshot into a mirror that is being cloned, if there is one, and each of its
 * objects is what its id says; of a small one also if all that its refs lead to is there.
 *
 * @param tips ids of all that the clone is to have.
 * @throws the signal's reason.
 */
export async function bootstrap(
  { directory, snapshot, limits }: CloneTask,
  { threads, memory, signal }: JobContext,
  { refs: advertised }: Advertisement,
  tips: ReadonlySet<string>,
): Promise<Bootstrap> {
  if (snapshot === undefined) return nothingRestored(tips);
  const into = packDirectory(directory);
  try {
    const archive = createReadStream(snapshot, { signal });
    const { packs, refs } = await unpackSnapshotPacks(archive, into, limits, { threads });
    const names = packs.map(({ name }) => name);
    return await withReader(packPaths(directory, names), { limits, memory }, (reader) => {
      const known = new Set(refs.oids());
      // They would be told the upstream as what is there.
      for (const oid of known) reader.requireNumber(Buffer.from(oid, 'hex'));
      if (packs.every(isSmall)) reachableObjects(reader, { include: known, signal });
      return {
        restored: packs,
        known,
        wants: [...tips].filter((oid) => reader.locate(oid) === undefined),
        haves: chooseHaves(reader, undefined, refs, advertised),
        failure: undefined,
        isDamaged: false,
      };
    });
  } catch (error) {
    signal.throwIfAborted();
    await emptyPackDirectory(directory);
    return { ...nothingRestored(tips, error), isDamaged: isOfContent(error) };
  }
}

export async function emptyPackDirectory(directory: string): Promise<void> {
  const packs = packDirectory(directory);
  await rm(packs, { recursive: true });
  await mkdir(packs);
}

/** Whether a restore failed with this because bytes are not what they should be. */
export function isOfContent(error: unknown): boolean {
  const codes: readonly string[] = ['ARCHIVE_INVALID', 'UPSTREAM_INVALID', 'REPOSITORY_DAMAGED'];
  return error instanceof SnapshotError && codes.includes(error.code);
}
