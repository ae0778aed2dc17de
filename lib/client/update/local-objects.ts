import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { hasCode } from '../../errors.js';
import { unlessMissing } from '../../fs/errors.js';
import { type CommitHeader, parseCommit } from '../../git/commit.js';
import { ObjectType, objectTypeName } from '../../git/object.js';
import type { ObjectMemory } from '../../pack/object-memory.js';
import { type GitObject, ObjectReader } from '../../pack/reader.js';
import { unsupported } from './errors.js';
import { UPDATE_LIMITS } from './limits.js';

/** Larger objects are streamed where that is possible. */
const STREAMED_BYTES = 8 * 1024 * 1024;
const TYPES = Object.values(ObjectType);

/** The objects of a checkout: in its packs, and loose ones, which git makes of small fetches. */
export class LocalObjects {
  readonly #directory: string;
  readonly #packed: ObjectReader;

  private constructor(directory: string, packs: readonly string[], memory: ObjectMemory) {
    this.#directory = directory;
    this.#packed = new ObjectReader(packs, UPDATE_LIMITS, memory);
  }

  /** @param directory `.git/objects`. @param memory all readers of an update share it. */
  static async open(directory: string, memory: ObjectMemory): Promise<LocalObjects> {
    const below = join(directory, 'pack');
    const names = new Set((await unlessMissing(readdir(below))) ?? []);
    const indexed = [...names].filter((name) => name.endsWith('.idx')).map((n) => n.slice(0, -4));
    const packs = indexed.filter((name) => names.has(`${name}.pack`));
    const paths = packs.map((name) => join(below, name));
    return new LocalObjects(directory, paths, memory);
  }

  has(oid: string): boolean {
    return this.#packed.has(oid) || existsSync(this.#loosePath(oid));
  }

  /** @throws SnapshotError `CHECKOUT_UNSUPPORTED` for a missing or damaged object. */
  read(oid: string): GitObject {
    const located = this.#packed.locate(oid);
    return located === undefined ? this.#readLoose(oid) : this.#packed.read(oid, located);
  }

  /** @throws SnapshotError as `read`, also if the object has another type. */
  readTyped(oid: string, type: ObjectType): Buffer {
    const object = this.read(oid);
    if (object.type !== type) throw unsupported(`${oid} is no ${objectTypeName(type)}`);
    return object.data;
  }

  /** @throws SnapshotError as `readTyped`. */
  readCommit(oid: string): CommitHeader {
    return parseCommit(this.readTyped(oid, ObjectType.commit));
  }

  /** A large object in pieces; `undefined` for one that must be read as a whole. */
  stream(oid: string): AsyncIterable<Buffer> | undefined {
    const located = this.#packed.locate(oid);
    const size = located?.wholeSize ?? 0;
    return size > STREAMED_BYTES ? located?.pack.stream(located.offset, oid) : undefined;
  }

  /** Idempotent. */
  close(): void {
    this.#packed.close();
  }

  #readLoose(oid: string): GitObject {
    let bytes: Buffer;
    try {
      const options = { maxOutputLength: UPDATE_LIMITS.maxObjectBytesInMemory };
      bytes = inflateSync(readFileSync(this.#loosePath(oid)), options);
    } catch (error) {
      const state = hasCode(error, 'ENOENT') ? 'missing' : 'damaged or too large';
      throw unsupported(`object ${oid} is ${state}`, error);
    }
    const headerEnd = bytes.indexOf(0);
    const [name] = bytes.toString('latin1', 0, headerEnd).split(' ');
    const type = TYPES.find((one) => objectTypeName(one) === name);
    if (type === undefined || createHash('sha1').update(bytes).digest('hex') !== oid) {
      throw unsupported(`object ${oid} is damaged`);
    }
    return { type, data: bytes.subarray(headerEnd + 1) };
  }

  #loosePath(oid: string): string {
    return join(this.#directory, oid.slice(0, 2), oid.slice(2));
  }
}
