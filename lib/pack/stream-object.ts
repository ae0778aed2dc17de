import { createHash } from 'node:crypto';
import { isObjectType, objectHeader } from '../git/object.js';
import { damaged } from './errors.js';
import { isZlibError, StreamingInflate } from './inflate.js';
import type { PackFile } from './pack-file.js';

const STREAM_CHUNK_BYTES = 256 * 1024;

/**
 * The content of a whole object in pieces, for objects too large to hold. If the content does not
 * match the id, it fails at the end, before the last piece.
 *
 * @throws SnapshotError `REPOSITORY_DAMAGED`
 */
export async function* streamObject(
  pack: PackFile,
  oid: string,
  offset: number,
): AsyncGenerator<Buffer> {
  const { type, size, length } = pack.entryHeader(offset);
  if (!isObjectType(type)) throw new RangeError(`${oid} is a delta and can't be streamed`);
  const oidHash = createHash('sha1').update(objectHeader(type, size));
  let pieces: Buffer[] = [];
  let inflated = 0;
  let at = offset + length;
  const inflate = new StreamingInflate((piece) => {
    inflated += piece.length;
    if (inflated > size) throw damaged(oid);
    oidHash.update(piece);
    pieces.push(piece);
  });
  try {
    for (let used: number | undefined; used === undefined; ) {
      const chunk = Buffer.allocUnsafe(Math.min(STREAM_CHUNK_BYTES, pack.end + 1 - at));
      if (chunk.length === 0) throw damaged(oid);
      // One byte beyond the pack's last entry lets zlib see that its stream has ended.
      pack.readInto(chunk, at);
      used = await inflate.write(chunk).catch((error: unknown) => {
        throw isZlibError(error) ? damaged(oid, error) : error;
      });
      at += chunk.length;
      if (used === undefined) {
        yield* pieces;
        pieces = [];
      }
    }
  } finally {
    inflate.close();
  }
  if (inflated !== size || oidHash.digest('hex') !== oid) throw damaged(oid);
  yield* pieces;
}
