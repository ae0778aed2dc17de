import { closeSync, fchmodSync, openSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { inBatches } from './batches.js';
import { Dispatcher, type DispatcherLimits } from './dispatcher.js';
import { encodeIdx } from './encode-idx.js';
import { ObjectTable } from './object-table.js';
import { ResolverPool } from './resolver-pool.js';
import { PackScanner, type ScanLimits, type ScannedPack } from './scan.js';
import { writeFully } from './write-fully.js';

export interface IngestLimits extends ScanLimits, DispatcherLimits {}

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

export interface IngestOptions {
  /** Called about once a MiB while the pack arrives, and when it is there. */
  onProgress?: (progress: IngestProgress) => void;
  /** Where threads come from and go back to. Default: they are started, and end with the call. */
  threads?: ResolverPool;
}

const PROGRESS_BYTES = 1024 * 1024;
/** A step of the scan ends in an entry that is not there whole, and was inflated for nothing. */
const STEP_BYTES = 256 * 1024;

/**
 * Writes an arriving pack into `directory` and indexes it, as `git index-pack --stdin` does.
 *
 * One pass while it arrives, then what deltas are left over. The pack is never held in memory. On
 * failure the files are left for whoever owns the directory to remove.
 *
 * @throws SnapshotError `UPSTREAM_INVALID`, `LIMIT_EXCEEDED`, and what `source` throws.
 */
export async function ingestPack(
  source: AsyncIterable<Uint8Array>,
  directory: string,
  limits: IngestLimits,
  { onProgress = () => {}, threads }: IngestOptions = {},
): Promise<IngestedPack> {
  if (threads === undefined) {
    const own = new ResolverPool();
    try {
      return await ingestPack(source, directory, limits, { onProgress, threads: own });
    } finally {
      await own.close();
    }
  }
  return await threads.withMemory(limits.deltaCacheBytes, async (memory) => {
    const arriving = join(directory, 'arriving.pack');
    // Synchronous: a thread that is ended while it opens a file asynchronously leaks the descriptor.
    const file = openSync(arriving, 'wx+');
    let dispatcher: Dispatcher | undefined;
    const scanner = new PackScanner(limits, memory, (objects) => {
      const table = new ObjectTable(objects);
      const { columns } = table;
      dispatcher = new Dispatcher({ fd: file, columns, objects, limits, memory, pool: threads });
      return { table, sink: dispatcher };
    });
    try {
      const pack = await receive(source, file, scanner, onProgress);
      await dispatcher?.finish(arriving, pack);
      const name = `pack-${pack.checksum.toString('hex')}`;
      writeNew(join(directory, `${name}.idx`), encodeIdx(pack, pack.checksum));
      fchmodSync(file, 0o444);
      renameSync(arriving, join(directory, `${name}.pack`));
      return { name, objects: pack.count, size: pack.size };
    } finally {
      scanner.close();
      await dispatcher?.close();
      closeSync(file);
    }
  });
}

/** Writes the pack as it arrives, and has it scanned. */
async function receive(
  source: AsyncIterable<Uint8Array>,
  file: number,
  scanner: PackScanner,
  onProgress: (progress: IngestProgress) => void,
): Promise<ScannedPack> {
  let receivedBytes = 0;
  const report = (phase: IngestProgress['phase']) => {
    const { objects, declared } = scanner.progress;
    onProgress({ phase, receivedBytes, receivedObjects: objects, totalObjects: declared });
  };
  let reported = 0;
  for await (const step of inBatches(source, STEP_BYTES)) {
    writeFully(file, step);
    await scanner.push(step);
    receivedBytes += step.length;
    if (receivedBytes - reported >= PROGRESS_BYTES) {
      reported = receivedBytes;
      report('receiving');
    }
  }
  const pack = await scanner.finish();
  report('resolving');
  return pack;
}

function writeNew(path: string, pieces: Iterable<Uint8Array>): void {
  const file = openSync(path, 'wx', 0o444);
  try {
    for (const piece of pieces) writeFully(file, piece);
  } finally {
    closeSync(file);
  }
}
