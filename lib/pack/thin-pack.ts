import { closeSync, rmSync } from 'node:fs';
import { readFully } from '../fs/sync-io.js';
import { OID_BYTES } from '../git/object.js';
import { encodeWholeEntry } from './encode-entry.js';
import { invalid } from './errors.js';
import { encodePackHeader, PACK_HEADER_BYTES, PACK_TRAILER_BYTES, withChecksum } from './format.js';
import type { IngestLimits } from './limits.js';
import { BASE_BY_ID, type ScannedObjects } from './object-table.js';
import type { ObjectReader } from './reader.js';
import { type ReceivedPack, receivePack } from './receive-pack.js';
import type { ResolverPool } from './resolver-pool.js';

/*
 * Completes thin packs: packs that lack bases of their deltas (gitprotocol-pack(5), "thin-pack").
 * Appends the missing bases, and receives the whole pack again. That doubles the work, so upstreams
 * are not asked for thin packs. A base that seems to be missing may be one of the pack's own
 * deltas: a second attempt, the last, does not append it.
 */

/** A source of delta bases. */
export type DeltaBases = Pick<ObjectReader, 'has' | 'read'>;

const ATTEMPTS = 2;
const PIECE_BYTES = 256 * 1024;

/**
 * @param thin a pack with unresolved deltas; its file is removed on success.
 * @returns a complete pack, in a file beside it.
 * @throws SnapshotError `UPSTREAM_INVALID` if `bases` lacks a base, or a delta does not fit its
 * base; `LIMIT_EXCEEDED`, and errors of `bases`.
 */
export async function completeThinPack(
  thin: ReceivedPack,
  bases: DeltaBases,
  limits: IngestLimits,
  threads: ResolverPool,
): Promise<ReceivedPack> {
  const appended = missingBases(thin.pack).filter((oid) => bases.has(oid));
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const source = withChecksum(completedPack(thin, appended, bases));
    const path = thin.path.replace(/\.pack$/, `-${attempt}.pack`);
    const completed = await receivePack(source, path, limits, threads, () => {});
    const { pack, unresolved } = completed;
    const repeated = idsOf(pack, thin.pack.count, new Set(appended));
    if (unresolved === 0 && repeated.size === 0) {
      rmSync(thin.path);
      return completed;
    }
    closeSync(completed.fd);
    rmSync(path);
    if (repeated.size === 0) break;
    for (const oid of repeated) appended.splice(appended.indexOf(oid), 1);
  }
  throw invalid('deltas have no base in the pack, nor elsewhere');
}

/** The bases of unresolved deltas, each once. */
function missingBases({ count, columns }: ScannedObjects): string[] {
  const found = new Set<string>();
  for (let i = 0; i < count; i++) {
    if (columns.types[i] !== 0 || columns.bases[i] !== BASE_BY_ID) continue;
    found.add(oidAt(columns.oids, i));
  }
  return [...found];
}

/** The subset of `ids` that the first `count` objects have. */
function idsOf({ columns }: ScannedObjects, count: number, ids: Set<string>): Set<string> {
  const found = new Set<string>();
  for (let i = 0; i < count && ids.size > 0; i++) {
    const oid = oidAt(columns.oids, i);
    if (columns.types[i] !== 0 && ids.has(oid)) found.add(oid);
  }
  return found;
}

function oidAt(oids: Uint8Array, object: number): string {
  return Buffer.from(oids.buffer, oids.byteOffset + object * OID_BYTES, OID_BYTES).toString('hex');
}

/** Each piece is valid until the next is read. */
function* completedPack(
  { fd, pack }: ReceivedPack,
  appended: readonly string[],
  bases: DeltaBases,
): Generator<Buffer> {
  yield encodePackHeader(pack.count + appended.length);
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  const end = pack.size - PACK_TRAILER_BYTES;
  for (let at = PACK_HEADER_BYTES; at < end; at += PIECE_BYTES) {
    const part = piece.subarray(0, Math.min(PIECE_BYTES, end - at));
    if (!readFully(fd, part, at)) throw new RangeError('the arriving pack was cut');
    yield part;
  }
  for (const oid of appended) yield encodeWholeEntry(bases.read(oid));
}
