import { endianness } from 'node:os';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import zlib from 'node:zlib';
import { Decompress } from 'fzstd';
import { hasCode, limitExceeded, SnapshotError } from '../errors.js';
import { ByteReader } from './byte-reader.js';
import { loadContentChecksum } from './content-checksum.js';
import { loadWasmZstd } from './wasm-zstd.js';
import {
  BLOCK_HEADER_BYTES,
  CHECKSUM_BYTES,
  encodeChecksum,
  MAX_BLOCK_BYTES,
  parseFrameHeader,
} from './zstd-format.js';
import { type Decode, type FramePart, readContent, readFrameHeaders } from './zstd-frames.js';

/** Bytes of the pieces that Node's decoder yields. The default, 16 KiB, takes twice as long. */
const NATIVE_CHUNK_BYTES = 256 * 1024;
/**
 * WebAssembly decodes a frame at once, in a fourth of the time that JavaScript takes. Frames of
 * snapshots have 8 blocks; those of other archives may have gigabytes.
 */
const WASM_BLOCKS = 64;
/** fzstd only works on little-endian machines. */
const IS_BIG_ENDIAN = endianness() === 'BE';
/** 512 MiB. */
const BIG_ENDIAN_BLOCKS = 4096;

/**
 * Decodes the frames of a zstd stream. Checks the checksums itself: not every decoder does.
 *
 * @throws SnapshotError `ARCHIVE_INVALID`, also when a frame needs a dictionary or a window over
 * 128 MiB; errors of the source as they are.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  decode: Decode = createNativeDecoder() ? decodeNatively : decodeWithoutNode,
): AsyncGenerator<Uint8Array> {
  const newChecksum = await loadContentChecksum();
  const reader = new ByteReader(source);
  try {
    for await (const header of readFrameHeaders(reader)) {
      const format = parseFrameHeader(header);
      const checksum = format.hasChecksum ? newChecksum() : undefined;
      let bytes = 0;
      for await (const content of readContent(reader, header, format, decode)) {
        bytes += content.length;
        checksum?.update(content);
        yield content;
      }
      if (bytes !== (format.contentBytes ?? bytes)) {
        const message = `a zstd frame has ${bytes} bytes instead of ${format.contentBytes}`;
        throw new SnapshotError('ARCHIVE_INVALID', message);
      }
      if (checksum === undefined) continue;
      const stored = await reader.take(CHECKSUM_BYTES);
      if (!encodeChecksum(checksum.digest()).equals(stored)) {
        throw new SnapshotError('ARCHIVE_INVALID', 'a zstd frame does not match its checksum');
      }
    }
  } finally {
    // Not awaited: an abandoned decoder may still wait for the source.
    reader.close().catch(() => {});
  }
}

/** `undefined` before Node 22.15. */
export function createNativeDecoder(): Transform | undefined {
  const create: unknown = Reflect.get(zlib, 'createZstdDecompress');
  if (typeof create !== 'function') return undefined;
  const decoder: unknown = create({ chunkSize: NATIVE_CHUNK_BYTES });
  return decoder instanceof Transform ? decoder : undefined;
}

/** Decodes in Node's thread pool. */
export async function* decodeNatively(parts: AsyncIterable<FramePart>): AsyncGenerator<Uint8Array> {
  const decoder = createNativeDecoder();
  if (decoder === undefined) throw new SnapshotError('INTERNAL', 'no decoder in this Node');
  const fed = pipeline(bytesOf(parts), decoder);
  fed.catch(() => {}); // it fails together with the decoder, which the loop reads
  try {
    for await (const bytes of decoder) yield bytes;
    await fed;
  } catch (error) {
    throw hasCode(error) && /^(ZSTD|Z)_/.test(error.code) ? undecodable(error) : error;
  }
}

async function* bytesOf(parts: AsyncIterable<FramePart>): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of parts) yield bytes;
}

/** Decodes in this thread: a small frame with WebAssembly, a large one with JavaScript. */
export async function* decodeWithoutNode(
  parts: AsyncIterable<FramePart>,
  isBigEndian = IS_BIG_ENDIAN,
): AsyncGenerator<Uint8Array> {
  const wasm = await loadWasmZstd();
  const iterator = parts[Symbol.asyncIterator]();
  const held: FramePart[] = [];
  const rest = { [Symbol.asyncIterator]: () => iterator };
  for (;;) {
    const { done, value: part } = await iterator.next();
    if (done) return;
    held.push(part);
    if (part.endsFrame) break;
    if (held.length <= (isBigEndian ? BIG_ENDIAN_BLOCKS : WASM_BLOCKS)) continue;
    if (isBigEndian) {
      const message = 'a zstd frame has over 512 MiB: on this machine it needs Node 22.15 or later';
      throw limitExceeded(undefined, message);
    }
    return yield* decodeInJavaScript(chain(held, rest));
  }
  const frame = Buffer.concat(held.map(({ bytes }) => bytes));
  try {
    yield wasm.decompress(frame, held.length * MAX_BLOCK_BYTES);
  } catch (error) {
    throw undecodable(error);
  }
  await setImmediate();
}

async function* chain<T>(first: Iterable<T>, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield* first;
  yield* rest;
}

/** Decodes in this thread, and yields to other work after each block. */
export async function* decodeInJavaScript(
  parts: AsyncIterable<FramePart>,
): AsyncGenerator<Uint8Array> {
  const decoded: Uint8Array[] = [];
  const decoder = new Decompress((bytes) => void decoded.push(bytes));
  for await (const { bytes, endsFrame } of parts) {
    try {
      // In two steps: fzstd keeps a chunk that ends with a block until the frame ends.
      decoder.push(bytes.subarray(0, BLOCK_HEADER_BYTES), false);
      decoder.push(bytes.subarray(BLOCK_HEADER_BYTES), endsFrame);
    } catch (error) {
      throw undecodable(error);
    }
    yield* decoded.splice(0);
    await setImmediate();
  }
}

function undecodable(cause: unknown): SnapshotError {
  return new SnapshotError('ARCHIVE_INVALID', 'the archive cannot be decompressed', { cause });
}
