import { type FileHandle, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeIdx } from './idx.js';
import type { ResolveLimits } from './resolve.js';
import { resolveDeltas } from './resolve-threads.js';
import { PackScanner, type ScanLimits } from './scan.js';

export interface IngestLimits extends ScanLimits, ResolveLimits {
  indexThreads: number;
}

export interface IngestProgress {
  phase: 'receiving' | 'resolving';
  receivedBytes: number;
  receivedObjects: number;
  /** What the pack's header says; `undefined` until it arrived. */
  totalObjects: number | undefined;
}

/** A pack that lies on disk with its idx, each of its objects hashed. */
export interface IngestedPack {
  /** `pack-{checksum}`: both files' name without `.pack` or `.idx`. */
  readonly name: string;
  readonly objects: number;
  /** Bytes. */
  readonly size: number;
}

const PROGRESS_BYTES = 1024 * 1024;

/**
 * Writes an arriving pack into `directory` and indexes it, as `git index-pack --stdin` does.
 *
 * One pass while it arrives (disk, CRCs, whole objects), then the deltas. The pack is never held in
 * memory. On failure the files are left for whoever owns the directory to remove.
 *
 * @throws SnapshotError `UPSTREAM_INVALID`, `LIMIT_EXCEEDED`, and what `source` throws.
 */
export async function ingestPack(
  source: AsyncIterable<Uint8Array>,
  directory: string,
  limits: IngestLimits,
  onProgress: (progress: IngestProgress) => void = () => {},
): Promise<IngestedPack> {
  const arriving = join(directory, 'arriving.pack');
  const scanner = new PackScanner(limits);
  let receivedBytes = 0;
  const report = (phase: IngestProgress['phase']) => {
    const { objects, declared } = scanner.progress;
    onProgress({ phase, receivedBytes, receivedObjects: objects, totalObjects: declared });
  };
  const file = await open(arriving, 'wx');
  try {
    let reported = 0;
    for await (const chunk of source) {
      await writeFully(file, chunk);
      await scanner.push(chunk);
      receivedBytes += chunk.length;
      if (receivedBytes - reported >= PROGRESS_BYTES) {
        reported = receivedBytes;
        report('receiving');
      }
    }
    const pack = await scanner.finish();
    report('resolving');
    await resolveDeltas(arriving, pack, limits.indexThreads, limits);
    const name = `pack-${pack.checksum.toString('hex')}`;
    await writeNew(join(directory, `${name}.idx`), encodeIdx(pack, pack.checksum));
    await file.chmod(0o444);
    await rename(arriving, join(directory, `${name}.pack`));
    return { name, objects: pack.count, size: pack.size };
  } finally {
    scanner.close();
    await file.close();
  }
}

async function writeNew(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o444);
  try {
    await writeFully(file, bytes);
  } finally {
    await file.close();
  }
}

async function writeFully(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done)).bytesWritten;
  }
}
