import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../../fs/errors.js';
import { renameUnlessTaken } from '../../fs/replace.js';
import { syncFile } from '../../fs/sync-data.js';
import { type BundleHeader, parseBundleHeader } from '../../git/bundle-header.js';
import { isValidRefName } from '../../git/refs.js';
import { ingestPack } from '../../pack/ingest.js';
import type { ObjectMemory } from '../../pack/object-memory.js';
import { refuseIncomplete } from './connectivity.js';
import { invalidUpdate } from './errors.js';
import { UPDATE_LIMITS } from './limits.js';
import type { LocalObjects } from './local-objects.js';

const MAX_HEADER_BYTES = 64 * 1024;
const BRANCHES = 'refs/heads/';

/** The branch of a bundle whose objects are in the checkout. */
export interface BundledBranch {
  /** Full name, bytes as latin1. */
  readonly ref: string;
  readonly oid: string;
}

export interface Receiving {
  /** `.git/objects` */
  readonly objectDirectory: string;
  /** An empty directory of the same file system. */
  readonly scratch: string;
  readonly memory: ObjectMemory;
  readonly signal: AbortSignal | undefined;
}

/**
 * Adds the objects of a bundle to a checkout: hashes each object, and checks that no object that one
 * of them names is missing. No ref changes.
 *
 * @throws SnapshotError `ARCHIVE_INVALID`, `LIMIT_EXCEEDED`; errors of the source.
 */
export async function receiveBundle(
  source: AsyncIterable<Uint8Array>,
  objects: LocalObjects,
  { objectDirectory, scratch, memory, signal }: Receiving,
): Promise<BundledBranch> {
  const chunks = source[Symbol.asyncIterator]();
  const { header, rest } = await readHeader(chunks);
  const missing = header.prerequisites.find((oid) => !objects.has(oid));
  if (missing !== undefined) throw invalidUpdate(`the bundle needs ${missing}, which is missing`);
  const isBranch = (name: string) => name.startsWith(BRANCHES) && isValidRefName(name);
  const branch = header.refs.find(({ name }) => isBranch(name));
  if (branch === undefined) throw invalidUpdate('the bundle has no branch');
  const pack = continued(rest, chunks);
  const { name } = await ingestPack(pack, scratch, UPDATE_LIMITS, { bases: objects });
  await refuseIncomplete(join(scratch, name), branch.oid, objects, { memory, signal });
  await movePack(scratch, join(objectDirectory, 'pack'), name);
  return { ref: branch.name, oid: branch.oid };
}

/** @returns also the bytes after the header that have arrived. */
async function readHeader(
  chunks: AsyncIterator<Uint8Array>,
): Promise<{ header: BundleHeader; rest: Buffer }> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const end = bytes.indexOf('\n\n');
    if (end >= 0) {
      const header = parseBundleHeader(bytes.toString('latin1', 0, end));
      if (header === undefined) throw invalidUpdate('the bundle has an unknown header');
      return { header, rest: bytes.subarray(end + 2) };
    }
    const { done, value } = await chunks.next();
    if (done || bytes.length > MAX_HEADER_BYTES) throw invalidUpdate('the bundle has no header');
    bytes = Buffer.concat([bytes, value]);
  }
}

async function* continued(
  first: Buffer,
  chunks: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield first;
  for (;;) {
    const { done, value } = await chunks.next();
    if (done) return;
    yield value;
  }
}

/** Moves a pack, the idx last: git finds packs by it. Does nothing if the pack is there already. */
export async function movePack(from: string, to: string, name: string): Promise<void> {
  const existing = await unlessMissing(open(join(to, `${name}.idx`)));
  if (existing !== undefined) return await existing.close();
  for (const ending of ['pack', 'idx']) {
    await syncFile(join(from, `${name}.${ending}`));
    await renameUnlessTaken(join(from, `${name}.${ending}`), join(to, `${name}.${ending}`));
  }
}
