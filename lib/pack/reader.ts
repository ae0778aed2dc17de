import { createHash, hash } from 'node:crypto';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { SnapshotError } from '../errors.js';
import { isObjectType, OBJECT_HEADER_ROOM, type ObjectType, objectHeader } from '../git/object.js';
import { applyDelta, newDeltaHeader, parseDeltaHeader } from './delta.js';
import { EntryType } from './format.js';
import { IdxFile } from './idx-file.js';
import { isZlibError, StreamingInflate } from './inflate.js';
import type { ObjectMemory } from './object-memory.js';
import { PackFile } from './pack-file.js';

/** An object, read whole. */
export interface GitObject {
  readonly type: ObjectType;
  readonly data: Buffer;
}

/** Where an object lies, and what of it is known without inflating it. */
export interface LocatedObject {
  readonly pack: number;
  readonly offset: number;
  /** Bytes; `undefined` for a delta. */
  readonly wholeSize: number | undefined;
}

export interface ReaderLimits {
  deltaCacheBytes: number;
  maxObjectBytesInMemory: number;
}

const STREAM_CHUNK_BYTES = 256 * 1024;
/** Contents up to this are put together and hashed in a buffer that is used again and again. */
const SCRATCH_BYTES = 256 * 1024;
/** Packs are smaller than this. */
const PACK_BYTES_BOUND = 2 ** 44;

/**
 * Objects of a list of packs, by id. What it returns was hashed and is what its id says.
 *
 * Synchronous except for streaming: only for worker threads.
 */
export class ObjectReader {
  readonly #packs: { readonly pack: PackFile; readonly idx: IdxFile }[] = [];
  readonly #limits: ReaderLimits;
  /**
   * Contents of objects by their `baseKey`: the bases of deltas to come. One commit needs fewer than
   * indexing all of history, so that half of the budget is enough.
   */
  readonly #bases: LRUCache<number, GitObject>;
  readonly #scratch = Buffer.allocUnsafeSlow(OBJECT_HEADER_ROOM + SCRATCH_BYTES);

  /**
   * @param names `pack-{checksum}`, without ending.
   * @param memory for inflating, its ring excepted.
   * @throws SnapshotError `INTERNAL` when a file is damaged; system errors.
   */
  constructor(
    directory: string,
    names: readonly string[],
    limits: ReaderLimits,
    memory: ObjectMemory,
  ) {
    this.#limits = limits;
    this.#bases = new LRUCache({
      maxSize: Math.max(1, Math.floor(limits.deltaCacheBytes / 2)),
      sizeCalculation: (object) => object.data.length + 100,
    });
    try {
      for (const name of names) {
        const pack = new PackFile(join(directory, `${name}.pack`), memory);
        try {
          this.#packs.push({ pack, idx: new IdxFile(join(directory, `${name}.idx`)) });
        } catch (error) {
          pack.close();
          throw error;
        }
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * The type of an object, found without applying deltas.
   *
   * @throws SnapshotError as `read`.
   */
  typeOf(oid: string): ObjectType {
    const located = this.locate(oid);
    if (located === undefined) throw missing(oid);
    const { pack } = this.#pack(located.pack);
    const chain = this.#chain(located.pack, located.offset);
    const { type } = pack.entryHeader(chain.at(-1) ?? located.offset);
    if (!isObjectType(type)) throw damaged(oid);
    return type;
  }

  /** @param oid 40 hex digits. */
  locate(oid: string): LocatedObject | undefined {
    const bytes = Buffer.from(oid, 'hex');
    for (const [pack, { pack: file, idx }] of this.#packs.entries()) {
      const offset = idx.find(bytes);
      if (offset === undefined) continue;
      const { type, size } = file.entryHeader(offset);
      return { pack, offset, wholeSize: isObjectType(type) ? size : undefined };
    }
    return undefined;
  }

  /**
   * @returns the object; its data are not to be written to, and valid only until the next call.
   * @throws SnapshotError `UPSTREAM_INVALID` when there is no such object, `INTERNAL` when the pack is
   * damaged on disk, `LIMIT_EXCEEDED` when the object may not be held in memory.
   */
  read(oid: string, located = this.locate(oid)): GitObject {
    if (located === undefined) throw missing(oid);
    const object = this.#readAt(located.pack, located.offset);
    if (this.#idOf(object) !== oid) throw damaged(oid);
    return object;
  }

  /** Hashes an object; one that lies in the scratch buffer, or fits there, without allocating. */
  #idOf({ type, data }: GitObject): string {
    const header = objectHeader(type, data.length);
    if (data.length > SCRATCH_BYTES) {
      return createHash('sha1').update(header).update(data).digest('hex');
    }
    const scratch = this.#scratch;
    if (data.buffer !== scratch.buffer) data.copy(scratch, OBJECT_HEADER_ROOM);
    const start = OBJECT_HEADER_ROOM - header.length;
    scratch.write(header, start, 'latin1');
    return hash('sha1', scratch.subarray(start, OBJECT_HEADER_ROOM + data.length));
  }

  /**
   * The content of an object that is kept whole, in pieces, for objects too large to hold. Fails at
   * the end, before its last piece, when it was not what its id says.
   */
  async *stream(oid: string, located: LocatedObject): AsyncGenerator<Buffer> {
    const { pack } = this.#pack(located.pack);
    const { type, size, length } = pack.entryHeader(located.offset);
    if (!isObjectType(type)) throw new RangeError(`${oid} is a delta and can't be streamed`);
    const oidHash = createHash('sha1').update(objectHeader(type, size));
    let pieces: Buffer[] = [];
    let inflated = 0;
    let at = located.offset + length;
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
        // One byte beyond the pack's last entry is offered, so that zlib sees that its stream ended.
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

  /** Idempotent. */
  close(): void {
    for (const { pack, idx } of this.#packs.splice(0)) {
      pack.close();
      idx.close();
    }
    this.#bases.clear();
  }

  #pack(number: number): { pack: PackFile; idx: IdxFile } {
    const found = this.#packs[number];
    if (found === undefined) throw new RangeError('the reader is closed');
    return found;
  }

  /**
   * The offsets of an object, its delta base, the base's base and so on to the one kept whole, or to
   * the first whose content is at hand when `untilCached`.
   */
  #chain(packNumber: number, offset: number, untilCached = false): number[] {
    const { pack, idx } = this.#pack(packNumber);
    const chain = [offset];
    for (let at = offset; ; chain.push(at)) {
      if (untilCached && this.#bases.has(baseKey(packNumber, at))) return chain;
      const header = pack.entryHeader(at);
      if (isObjectType(header.type)) return chain;
      // A chain of more deltas than the pack has objects goes round in a circle.
      if (chain.length > idx.count) throw damaged(`the object at ${offset}`);
      if (header.type === EntryType.ofsDelta) {
        at -= header.baseDistance;
      } else {
        const base = idx.find(pack.baseOid(at, header));
        if (base === undefined) throw damaged(`the object at ${offset}`);
        at = base;
      }
    }
  }

  #readAt(packNumber: number, offset: number): GitObject {
    const { pack } = this.#pack(packNumber);
    const delta = newDeltaHeader();
    let object: GitObject | undefined;
    for (const at of this.#chain(packNumber, offset, true).reverse()) {
      const known = this.#bases.get(baseKey(packNumber, at));
      if (object === undefined && known !== undefined) {
        object = known;
        continue;
      }
      const header = pack.entryHeader(at);
      this.#checkSize(header.size);
      const bytes = pack.inflate(at, header);
      if (isObjectType(header.type)) {
        object = { type: header.type, data: bytes };
      } else {
        parseDeltaHeader(bytes, delta);
        if (delta.baseSize !== object?.data.length) throw damaged(`the object at ${offset}`);
        this.#checkSize(delta.resultSize);
        const data =
          at === offset ? this.#room(delta.resultSize) : Buffer.allocUnsafe(delta.resultSize);
        applyDelta(bytes, delta, object.data, 0, data, 0);
        object = { type: object.type, data };
      }
      // What was asked for itself is seldom a base of what is asked for next.
      if (at !== offset) this.#bases.set(baseKey(packNumber, at), object);
    }
    if (object === undefined) throw damaged(`the object at ${offset}`);
    return object;
  }

  /** Where the content of an object goes that is not kept. */
  #room(size: number): Buffer {
    return size > SCRATCH_BYTES
      ? Buffer.allocUnsafe(size)
      : this.#scratch.subarray(OBJECT_HEADER_ROOM, OBJECT_HEADER_ROOM + size);
  }

  #checkSize(size: number): void {
    if (size > this.#limits.maxObjectBytesInMemory) {
      throw new SnapshotError(
        'LIMIT_EXCEEDED',
        `an object has ${size} bytes, maxObjectBytesInMemory is ${this.#limits.maxObjectBytesInMemory}`,
      );
    }
  }
}

function baseKey(pack: number, offset: number): number {
  return pack * PACK_BYTES_BOUND + offset;
}

function missing(oid: string): SnapshotError {
  return new SnapshotError('UPSTREAM_INVALID', `object ${oid} is missing`);
}

function damaged(what: string, cause?: unknown): SnapshotError {
  return new SnapshotError('INTERNAL', `${what} is not what its pack says`, { cause });
}
