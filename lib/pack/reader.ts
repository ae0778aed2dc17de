import { createHash, hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import {
  isObjectType,
  OBJECT_HEADER_ROOM,
  ObjectType,
  OID_BYTES,
  objectHeader,
} from '../git/object.js';
import { applyDelta, DeltaHeader, parseDeltaHeader } from './delta.js';
import { DeltaChains } from './delta-chains.js';
import { damaged, invalid } from './errors.js';
import { checkSizeInMemory, type ReaderLimits, ReadingWork } from './limits.js';
import type { ObjectMemory } from './object-memory.js';
import { type PackedEntry, PackList, placeOf } from './pack-list.js';

export interface GitObject {
  readonly type: ObjectType;
  readonly data: Buffer;
}

/** `wholeSize`: the bytes of the object; `undefined` for a delta. */
export interface LocatedObject extends PackedEntry {
  readonly wholeSize: number | undefined;
}

/** Objects up to this size are hashed with one call, in a buffer that is reused. */
const SCRATCH_BYTES = 256 * 1024;
/** Of longer chains only some bases are kept, as all of them would evict each other. */
const LONG_CHAIN = 64;

/**
 * Objects of a list of packs. Each was hashed, now or when its pack was indexed, and matches its
 * id. Synchronous except for streaming: only for worker threads.
 */
export class ObjectReader {
  readonly packs: PackList;
  readonly #chains: DeltaChains;
  readonly #work = new ReadingWork();
  readonly #limits: ReaderLimits;
  /** The bases of later deltas, by their `placeOf`. One commit needs fewer than indexing does. */
  readonly #bases: LRUCache<number, GitObject>;
  readonly #scratch = Buffer.allocUnsafeSlow(OBJECT_HEADER_ROOM + SCRATCH_BYTES);

  /** As `PackList`. @param memory all of it but the ring is used. */
  constructor(paths: readonly string[], limits: ReaderLimits, memory: ObjectMemory) {
    this.#limits = limits;
    this.#bases = new LRUCache({
      maxSize: Math.max(1, Math.floor(limits.deltaCacheBytes / 2)),
      sizeCalculation: (object) => object.data.length + 100,
    });
    this.packs = new PackList(paths, memory);
    this.#chains = new DeltaChains(this.packs);
  }

  get objectCount(): number {
    return this.packs.objectCount;
  }

  /** The number of an object, as in an `ObjectSet`. @param oid 40 hex digits. */
  numberOf(oid: string): number | undefined {
    return this.packs.numberOf(Buffer.from(oid, 'hex'));
  }

  has(oid: string): boolean {
    return this.numberOf(oid) !== undefined;
  }

  /** As `PackList.numberOf`. @throws SnapshotError `UPSTREAM_INVALID` for a missing object. */
  requireNumber(oids: Buffer, at = 0): number {
    const number = this.packs.numberOf(oids, at);
    if (number === undefined) throw missing(oids.toString('hex', at, at + OID_BYTES));
    return number;
  }

  /** 40 hex digits. */
  oidOf(number: number): string {
    return this.packs.oidOf(number).toString('hex');
  }

  /** As `read`, for loops: keeps the object as a base of the next ones. Does not hash it again. */
  readNumber(number: number): GitObject {
    return this.#readAt(this.packs.entryOf(number), { keep: true });
  }

  /** The type of an object, found without applying deltas. @throws SnapshotError as `read`. */
  typeOf(oid: string): ObjectType {
    return this.typeOfNumber(this.requireNumber(Buffer.from(oid, 'hex')));
  }

  typeOfNumber(number: number): ObjectType {
    const entry = this.packs.entryOf(number);
    const { type } = entry.pack.entryHeader(this.#chains.endOf(entry));
    if (!isObjectType(type)) throw damaged(this.oidOf(number));
    return type;
  }

  /** `undefined` when there is no such object. */
  isCommit(oid: string): boolean | undefined {
    const number = this.numberOf(oid);
    return number === undefined ? undefined : this.typeOfNumber(number) === ObjectType.commit;
  }

  /** The pack offset of the whole object at the end of an object's delta chain. */
  chainEndOf(number: number): number {
    return this.#chains.endOf(this.packs.entryOf(number));
  }

  /** @param oid 40 hex digits. */
  locate(oid: string): LocatedObject | undefined {
    const number = this.numberOf(oid);
    return number === undefined ? undefined : this.locateNumber(number);
  }

  locateNumber(number: number): LocatedObject {
    const entry = this.packs.entryOf(number);
    const { type, size } = entry.pack.entryHeader(entry.offset);
    return { ...entry, wholeSize: isObjectType(type) ? size : undefined };
  }

  /**
   * @returns the object; do not write to its data.
   * @throws SnapshotError `UPSTREAM_INVALID` for a missing object, `MIRROR_CORRUPTED` for a
   * damaged pack, `LIMIT_EXCEEDED` if the object may not be held in memory.
   */
  read(oid: string, located = this.locate(oid)): GitObject {
    if (located === undefined) throw missing(oid);
    const object = this.#readAt(located);
    if (this.#idOf(object) !== oid) throw damaged(oid);
    return object;
  }

  #idOf({ type, data }: GitObject): string {
    const header = objectHeader(type, data.length);
    if (data.length > SCRATCH_BYTES) {
      return createHash('sha1').update(header).update(data).digest('hex');
    }
    const scratch = this.#scratch;
    data.copy(scratch, OBJECT_HEADER_ROOM);
    const start = OBJECT_HEADER_ROOM - header.length;
    scratch.write(header, start, 'latin1');
    return hash('sha1', scratch.subarray(start, OBJECT_HEADER_ROOM + data.length));
  }

  /** Idempotent. */
  close(): void {
    this.packs.close();
    this.#bases.clear();
  }

  /** @param keep whether to keep the object itself as a base. */
  #readAt(entry: PackedEntry, { keep } = { keep: false }): GitObject {
    const { packNumber, pack, offset } = entry;
    const delta = new DeltaHeader();
    const chain = this.#chains.untilKnown(entry, (place) => this.#bases.has(place));
    const stride = chain.length > LONG_CHAIN ? Math.ceil(Math.sqrt(chain.length)) : 1;
    let object: GitObject | undefined;
    for (let steps = chain.length - 1; steps >= 0; steps--) {
      const at = chain[steps] ?? offset;
      const known = this.#bases.get(placeOf(packNumber, at));
      if (object === undefined && known !== undefined) {
        object = known;
        continue;
      }
      const header = pack.entryHeader(at);
      checkSizeInMemory(header.size, this.#limits);
      const bytes = pack.inflate(at, header);
      if (isObjectType(header.type)) {
        this.#work.addStep(bytes.length, bytes.length);
        object = { type: header.type, data: bytes };
      } else {
        parseDeltaHeader(bytes, delta);
        if (delta.baseSize !== object?.data.length) throw damaged(`the object at ${offset}`);
        checkSizeInMemory(delta.resultSize, this.#limits);
        this.#work.addStep(bytes.length + delta.resultSize, delta.resultSize);
        const data = Buffer.allocUnsafe(delta.resultSize);
        applyDelta(bytes, delta, object.data, 0, data, 0);
        object = { type: object.type, data };
      }
      // The requested object itself is seldom a base of the next one.
      const isKept = (steps > 0 || keep) && steps % stride === 0;
      if (isKept) this.#bases.set(placeOf(packNumber, at), object);
    }
    if (object === undefined) throw damaged(`the object at ${offset}`);
    this.#work.addObject(object.data.length);
    return object;
  }
}

function missing(oid: string): Error {
  return invalid(`object ${oid} is missing`);
}

/** Opens packs (paths without ending) for `read`, and closes them afterwards. */
export async function withReader<T>(
  packs: readonly string[],
  { limits, memory }: { limits: ReaderLimits; memory: ObjectMemory },
  read: (reader: ObjectReader) => T | Promise<T>,
): Promise<T> {
  const reader = new ObjectReader(packs, limits, memory);
  try {
    return await read(reader);
  } finally {
    reader.close();
  }
}
