import { createReadStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { ByteReader } from '../../archive/byte-reader.js';
import { decompress } from '../../archive/decompress.js';
import { readTar } from '../../archive/tar-reader.js';
import type { WorkLimits } from '../../config/options.js';
import {
  limitExceeded,
  type SerializedError,
  SnapshotError,
  serializeError,
} from '../../errors.js';
import { parsePackedRefs, RefList } from '../../git/ref-list.js';
import type { Ref } from '../../git/refs.js';
import { reachableObjects } from '../../history/reachable-objects.js';
import { type IngestedPack, type IngestOptions, ingestPack } from '../../pack/ingest.js';
import { withReader } from '../../pack/reader.js';
import { packDirectory, packPaths } from '../disk/layout.js';
import { isSmall } from './connectivity.js';
import { chooseHaves } from './haves.js';
import type { JobContext } from './job-context.js';

/** The part of a stored snapshot that a clone could use. */
export interface Restored {
  /** Packs from the snapshot. */
  readonly restored: readonly IngestedPack[];
  /** Why the snapshot was not used. */
  readonly restoreFailure: SerializedError | undefined;
  readonly snapshotIsDamaged: boolean;
  /** Whether the packs may hold unreachable objects. */
  readonly leavesGarbage: boolean;
}

/** The result of an import, and the request for the objects that it lacks. */
export interface ImportedSnapshot extends Restored {
  readonly wants: readonly string[];
  readonly haves: readonly string[];
}

export interface ImportTask {
  /** An empty directory that becomes the mirror. If the clone fails, the caller removes it. */
  readonly directory: string;
  /** Path of an archive of the repository. The clone fetches only objects that it lacks. */
  readonly snapshot: string | undefined;
  readonly limits: WorkLimits;
}

/** The import of nothing: the clone fetches all objects. */
export function nothingImported(tips: ReadonlySet<string>, failure?: unknown): ImportedSnapshot {
  return {
    restored: [],
    restoreFailure: failure === undefined ? undefined : serializeError(failure),
    snapshotIsDamaged: false,
    leavesGarbage: false,
    wants: [...tips],
    haves: [],
  };
}

/**
 * Copies the packs of a stored snapshot into a mirror that is being cloned. The snapshot is not
 * trusted: every object is hashed, and a small snapshot must have all objects that its refs reach.
 * A failure is part of the result, and leaves no pack.
 *
 * @param advertised refs that the upstream advertises.
 * @param tips all ids that the mirror needs.
 * @throws the signal's reason.
 */
export async function importSnapshot(
  { directory, snapshot, limits }: ImportTask,
  advertised: RefList,
  tips: ReadonlySet<string>,
  { threads, memory, signal }: JobContext,
): Promise<ImportedSnapshot> {
  if (snapshot === undefined) return nothingImported(tips);
  try {
    const archive = createReadStream(snapshot, { signal });
    const into = packDirectory(directory);
    const { packs, refs } = await unpack(archive, into, limits, { threads });
    const names = packs.map(({ name }) => name);
    return await withReader(packPaths(directory, names), { limits, memory }, (reader) => {
      const known = new Set(refs.oids());
      // The clone will tell the upstream that the mirror has these objects.
      for (const oid of known) reader.requireNumber(Buffer.from(oid, 'hex'));
      if (packs.every(isSmall)) reachableObjects(reader, { include: known, signal });
      return {
        ...nothingImported(tips),
        restored: packs,
        leavesGarbage: [...known].some((oid) => !tips.has(oid)),
        wants: [...tips].filter((oid) => !reader.has(oid)),
        haves: chooseHaves(reader, undefined, refs, advertised),
      };
    });
  } catch (error) {
    signal.throwIfAborted();
    await removeImported(directory);
    return { ...nothingImported(tips, error), snapshotIsDamaged: isBadContent(error) };
  }
}

export async function removeImported(directory: string): Promise<void> {
  const packs = packDirectory(directory);
  await rm(packs, { recursive: true });
  await mkdir(packs);
}

/** Whether an error means that bytes are wrong, as opposed to a limit or a full disk. */
export function isBadContent(error: unknown): boolean {
  return SnapshotError.is(error, 'ARCHIVE_INVALID', 'UPSTREAM_INVALID', 'MIRROR_CORRUPTED');
}

const PACK = /^\.git\/objects\/pack\/pack-[0-9a-f]{40}\.pack$/;
/** More than any snapshot has. */
const MAX_PACKS = 64;
const MAX_ENTRIES = 1000;
/** For all entries except packs, in addition to the bytes that idx files may have. */
const MAX_OTHER_BYTES = 64 * 1024 * 1024;
/** An object takes about 30 bytes in an idx, and at least a dozen bytes in a pack. */
const MAX_IDX_RATIO = 4;
/** The snapshot's names of branches are longer than the upstream's. */
const MAX_REFS_RATIO = 2;

/**
 * Reads the packs and refs of an archive of a whole repository, and indexes the packs again.
 *
 * @param into directory for the packs. On failure its owner removes them.
 * @returns refs with their upstream names. Their objects may be missing.
 */
async function unpack(
  archive: AsyncIterable<Uint8Array>,
  into: string,
  limits: WorkLimits,
  options: IngestOptions,
): Promise<{ packs: IngestedPack[]; refs: RefList }> {
  const reader = new ByteReader(decompress(archive));
  const packs: IngestedPack[] = [];
  let refs = RefList.of([]);
  let entries = 0;
  let packBytes = 0;
  let otherBytes = 0;
  try {
    for await (const { path, size } of readTar(reader)) {
      if (++entries > MAX_ENTRIES) throw invalid(`it has more than ${MAX_ENTRIES} entries`);
      if (path === '' || path === '.git') continue;
      if (!path.startsWith('.git/')) break;
      if (PACK.test(path)) packBytes += size;
      else otherBytes += size;
      if (otherBytes > MAX_OTHER_BYTES + MAX_IDX_RATIO * packBytes) {
        throw invalid(`it has ${otherBytes} bytes beside its packs`);
      }
      if (path === '.git/shallow') throw invalid('it does not have the full history');
      if (path === '.git/packed-refs') {
        const maxBytes = MAX_REFS_RATIO * limits.maxRefsBytes;
        if (size > maxBytes) throw tooLarge('maxRefsBytes', `its refs have ${size} bytes`);
        refs = RefList.of(upstreamRefs(await reader.take(size)));
      } else if (PACK.test(path)) {
        if (size > limits.maxPackBytes)
          throw tooLarge('maxPackBytes', `one of its packs has ${size} bytes`);
        if (packs.length === MAX_PACKS) throw invalid(`it has more than ${MAX_PACKS} packs`);
        const pack = await ingestPack(content(reader, size), into, limits, options);
        if (packs.some(({ name }) => name === pack.name)) throw invalid('it has a pack twice');
        packs.push(pack);
      }
    }
  } finally {
    await reader.close();
  }
  return { packs, refs };
}

async function* content(reader: ByteReader, size: number): AsyncGenerator<Uint8Array> {
  for (let left = size; left > 0; ) {
    const bytes = await reader.takeAvailable(left);
    left -= bytes.length;
    yield bytes;
  }
}

/** Gives refs their upstream names. Leaves out peeled ids of tags, which are not trusted. */
function* upstreamRefs(packedRefs: Buffer): Generator<Ref> {
  const remote = 'refs/remotes/origin/';
  for (const { name, oid } of parsePackedRefs(packedRefs)) {
    if (name.startsWith('refs/tags/')) yield { name, oid };
    if (name.startsWith(remote)) yield { name: `refs/heads/${name.slice(remote.length)}`, oid };
  }
}

function tooLarge(limit: keyof WorkLimits, what: string): SnapshotError {
  return limitExceeded(limit, `no mirror is made of the snapshot: ${what}`);
}

function invalid(what: string): SnapshotError {
  return new SnapshotError('ARCHIVE_INVALID', `no mirror can be made of the snapshot: ${what}`);
}
