import { closeSync, fchmodSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { encodeIdx } from './idx.js';
import { ObjectTable } from './object-table.js';
import type { ResolveLimits } from './resolver.js';
import { Resolvers } from './resolvers.js';
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
  let resolvers: Resolvers | undefined;
  const scanner = new PackScanner(limits, (objects) => {
    const table = new ObjectTable(objects);
    resolvers = new Resolvers(file, table.columns, objects, limits.indexThreads, limits);
    return { table, sink: resolvers };
  });
  let receivedBytes = 0;
  const report = (phase: IngestProgress['phase']) => {
    const { objects, declared } = scanner.progress;
    onProgress({ phase, receivedBytes, receivedObjects: objects, totalObjects: declared });
  };
  // Synchronous: a thread that is ended while it opens a file asynchronously leaks the descriptor.
  const file = openSync(arriving, 'wx+');
  try {
    let reported = 0;
    for await (const chunk of source) {
      writeFully(file, chunk);
      await scanner.push(chunk);
      receivedBytes += chunk.length;
      if (receivedBytes - reported >= PROGRESS_BYTES) {
        reported = receivedBytes;
        report('receiving');
      }
    }
    const pack = await scanner.finish();
    report('resolving');
    await resolvers?.finish(arriving, pack);
    const name = `pack-${pack.checksum.toString('hex')}`;
    writeNew(join(directory, `${name}.idx`), encodeIdx(pack, pack.checksum));
    fchmodSync(file, 0o444);
    renameSync(arriving, join(directory, `${name}.pack`));
    return { name, objects: pack.count, size: pack.size };
  } finally {
    scanner.close();
    await resolvers?.close();
    closeSync(file);
  }
}

function writeNew(path: string, bytes: Buffer): void {
  const file = openSync(path, 'wx', 0o444);
  try {
    writeFully(file, bytes);
  } finally {
    closeSync(file);
  }
}

function writeFully(file: number, bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0; ) rest = rest.subarray(writeSync(file, rest));
}
