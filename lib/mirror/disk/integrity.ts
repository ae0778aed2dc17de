import { type FileHandle, open, stat } from 'node:fs/promises';
import { damagedFile, readFailure } from '../../fs/errors.js';
import { PACK_HEADER_BYTES, PACK_TRAILER_BYTES, parsePackHeader } from '../../pack/format.js';
import { FANOUT_AT, IDX_SIGNATURE, IDX_VERSION, OIDS_AT } from '../../pack/idx-format.js';
import { packPaths } from './layout.js';
import { type MirrorRevision, packsOf, refsPath } from './revision.js';

const IDX_TRAILER_BYTES = 40;

/**
 * Looks at both ends of each file of a revision: whether all of it is there, and belongs together. What
 * lies between is hashed whenever it is read. Cost: a few system calls for each pack.
 *
 * @returns bytes of all packs and their idx files.
 * @throws SnapshotError `REPOSITORY_DAMAGED`; another code when it can't be read at the moment.
 */
export async function inspectMirror(directory: string, revision: MirrorRevision): Promise<number> {
  try {
    await stat(refsPath(directory, revision.digest));
    let bytes = 0;
    for (const path of packPaths(directory, packsOf(revision))) {
      bytes += await inspectPack(path);
    }
    return bytes;
  } catch (error) {
    throw readFailure(error);
  }
}

async function inspectPack(path: string): Promise<number> {
  const pack = await readEnds(`${path}.pack`, PACK_HEADER_BYTES, PACK_TRAILER_BYTES);
  const idx = await readEnds(`${path}.idx`, OIDS_AT, IDX_TRAILER_BYTES);
  const objects = parsePackHeader(pack.head);
  const isIdx =
    idx.head.readUInt32BE(0) === IDX_SIGNATURE && idx.head.readUInt32BE(4) === IDX_VERSION;
  const isWhole =
    path.endsWith(`pack-${pack.tail.toString('hex')}`) &&
    isIdx &&
    idx.head.readUInt32BE(FANOUT_AT + 255 * 4) === objects &&
    idx.tail.subarray(0, PACK_TRAILER_BYTES).equals(pack.tail);
  if (!isWhole) throw damagedFile(path);
  return pack.size + idx.size;
}

interface Ends {
  readonly size: number;
  readonly head: Buffer;
  readonly tail: Buffer;
}

async function readEnds(path: string, headBytes: number, tailBytes: number): Promise<Ends> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size < headBytes + tailBytes) throw damagedFile(path);
    const head = await read(file, headBytes, 0);
    return { size, head, tail: await read(file, tailBytes, size - tailBytes) };
  } finally {
    await file.close();
  }
}

async function read(file: FileHandle, length: number, position: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
