import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../../fs/errors.js';
import { replace } from '../../fs/replace.js';
import { syncData } from '../../fs/sync-data.js';
import { type BundleHeader, parseBundleHeader } from '../../git/bundle-header.js';
import { parseCommit, parseTagTarget } from '../../git/commit.js';
import { ObjectType } from '../../git/object.js';
import { parseTree } from '../../git/tree.js';
import { ingestPack } from '../../pack/ingest.js';
import { ObjectMemory } from '../../pack/object-memory.js';
import { withReader } from '../../pack/reader.js';
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

/**
 * Adds the objects of a bundle to a checkout: hashes each object, and checks that no object that one
 * of them names is missing. No ref changes.
 *
 * @param scratch an empty directory of the same file system.
 * @throws SnapshotError `ARCHIVE_INVALID`, `LIMIT_EXCEEDED`; errors of the source.
 */
export async function receiveBundle(
  source: AsyncIterable<Uint8Array>,
  objects: LocalObjects,
  objectDirectory: string,
  scratch: string,
): Promise<BundledBranch> {
  const chunks = source[Symbol.asyncIterator]();
  const { header, rest } = await readHeader(chunks);
  const missing = header.prerequisites.find((oid) => !objects.has(oid));
  if (missing !== undefined) throw invalidUpdate(`the bundle needs ${missing}, which is missing`);
  const branch = header.refs.find(({ name }) => name.startsWith(BRANCHES));
  if (branch === undefined) throw invalidUpdate('the bundle has no branch');
  const pack = continued(rest, chunks);
  const { name } = await ingestPack(pack, scratch, UPDATE_LIMITS, { bases: objects });
  await refuseIncomplete(join(scratch, name), branch.oid, objects);
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

/**
 * Refuses a pack whose objects name one that neither the pack nor the checkout has. What the checkout
 * has is complete: that is the rule of every repository.
 */
async function refuseIncomplete(pack: string, tip: string, objects: LocalObjects): Promise<void> {
  const context = { limits: UPDATE_LIMITS, memory: new ObjectMemory(0) };
  await withReader([pack], context, (packed) => {
    const require = (oid: string) => {
      if (packed.has(oid) || objects.has(oid)) return;
      throw invalidUpdate(`the bundle lacks object ${oid}`);
    };
    require(tip);
    for (let number = 0; number < packed.objectCount; number++) {
      if (packed.typeOfNumber(number) === ObjectType.blob) continue;
      const { type, data } = packed.readNumber(number);
      if (type === ObjectType.tag) require(parseTagTarget(data));
      else if (type === ObjectType.tree) {
        for (const { kind, oid } of parseTree(data)) if (kind !== 'gitlink') require(oid);
      } else {
        const { tree, parents } = parseCommit(data);
        for (const oid of [tree, ...parents]) require(oid.toString('hex'));
      }
    }
  });
}

/** Moves a pack, the idx last: git finds packs by it. Does nothing if the pack is there already. */
export async function movePack(from: string, to: string, name: string): Promise<void> {
  const existing = await unlessMissing(open(join(to, `${name}.idx`)));
  if (existing !== undefined) return await existing.close();
  for (const ending of ['pack', 'idx']) {
    const file = await open(join(from, `${name}.${ending}`), 'r');
    await syncData(file).finally(() => file.close());
    await replace(join(from, `${name}.${ending}`), join(to, `${name}.${ending}`));
  }
}
