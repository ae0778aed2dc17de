import { createHash } from 'node:crypto';
import { isObjectType, OID_BYTES, objectHeader } from '../git/object.js';
import { damaged } from './errors.js';
import {
  EntryHeader,
  MAX_ENTRY_HEADER_BYTES,
  maxDeflatedBytes,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
  parseEntryHeader,
} from './format.js';
import { inflateEntry, StreamingInflate } from './inflate.js';
import type { ObjectMemory } from './object-memory.js';
import { WindowedFile } from './windowed-file.js';

const STREAM_CHUNK_BYTES = 256 * 1024;

/** The entries of a pack on disk, by offset. Synchronous: only for worker threads. */
export class PackFile {
  readonly #file: WindowedFile;
  readonly #memory: ObjectMemory;
  readonly #header = new EntryHeader();

  constructor(path: string, memory: ObjectMemory) {
    this.#memory = memory;
    this.#file = new WindowedFile(path);
  }

  /** Where the last entry ends. */
  get end(): number {
    return this.#file.size - PACK_TRAILER_BYTES;
  }

  /** A header, valid only until the next call. @throws SnapshotError `MIRROR_CORRUPTED` */
  entryHeader(offset: number): Readonly<EntryHeader> {
    const length = Math.min(MAX_ENTRY_HEADER_BYTES, this.end - offset);
    const isInside = offset >= PACK_HEADER_BYTES && length > 0;
    const bytes = isInside ? this.#file.read(offset, length) : Buffer.alloc(0);
    const parsed = parseEntryHeader(bytes, 0, bytes.length, this.#header);
    if (parsed !== 'ok') throw damaged(`the header at ${offset}`);
    return this.#header;
  }

  baseOid(offset: number, header: Readonly<EntryHeader>): Buffer {
    return Buffer.from(this.#file.read(offset + header.baseOidAt, OID_BYTES));
  }

  /**
   * The inflated content of the entry at `offset`: an object's, or a delta's.
   *
   * @param end where the entry ends, if known. Else more bytes are read until they suffice.
   * @throws as `entryHeader`.
   */
  inflate(offset: number, header: Readonly<EntryHeader>, end?: number): Buffer {
    const start = offset + header.length;
    const last = Math.min(end ?? this.end, start + maxDeflatedBytes(header.size));
    let length = end === undefined ? header.size + (header.size >> 8) + 64 : last - start;
    for (;;) {
      length = Math.min(length, last - start);
      const inflated = inflateEntry(this.#memory, this.#file.read(start, length), header.size);
      if (typeof inflated === 'object') return inflated;
      if (inflated === 'invalid' || start + length >= last) throw damaged(`the entry at ${offset}`);
      length *= 2;
    }
  }

  /** A large whole object in pieces. @throws SnapshotError `MIRROR_CORRUPTED` before the last. */
  async *stream(offset: number, oid: string): AsyncGenerator<Buffer> {
    const { type, size, length } = this.entryHeader(offset);
    if (!isObjectType(type)) throw new RangeError(`${oid} is a delta and can't be streamed`);
    const oidHash = createHash('sha1').update(objectHeader(type, size));
    let pieces: Buffer[] = [];
    let inflated = 0;
    let at = offset + length;
    const onPiece = (piece: Buffer) => {
      inflated += piece.length;
      if (inflated > size) throw damaged(oid);
      oidHash.update(piece);
      pieces.push(piece);
    };
    const inflate = new StreamingInflate(onPiece, (cause) => damaged(oid, cause));
    try {
      for (let used: number | undefined; used === undefined; ) {
        // One byte beyond the pack's last entry lets zlib see that its stream has ended.
        const chunk = Buffer.allocUnsafe(Math.min(STREAM_CHUNK_BYTES, this.end + 1 - at));
        if (chunk.length === 0) throw damaged(oid);
        this.readInto(chunk, at);
        used = await inflate.write(chunk);
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

  /** Fills `target` with raw bytes, starting at `offset`. */
  readInto(target: Uint8Array, offset: number): void {
    this.#file.readInto(target, offset);
  }

  close(): void {
    this.#file.close();
  }
}
