import { closeSync, openSync } from 'node:fs';
import { writeFully } from '../fs/sync-io.js';
import { Dispatcher, type Resolution } from './dispatcher.js';
import type { IngestProgress } from './ingest-progress.js';
import type { IngestLimits } from './limits.js';
import type { ResolverPool } from './resolver-pool.js';
import { PackScanner, type ScannedPack } from './scan.js';

/** A pack in a file, and the table of its objects. */
export interface ReceivedPack extends Resolution {
  readonly path: string;
  /** The caller's to close. */
  readonly fd: number;
  readonly pack: ScannedPack;
}

const PROGRESS_BYTES = 1024 * 1024;
/** Each batch ends within an entry, which is inflated again with the next batch. */
const BATCH_BYTES = 256 * 1024;

/** Writes an arriving pack to a new file, and finds its objects' ids. @throws as `ingestPack`. */
export async function receivePack(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  path: string,
  limits: IngestLimits,
  threads: ResolverPool,
  onProgress: (progress: IngestProgress) => void,
): Promise<ReceivedPack> {
  return await threads.withMemory(limits.deltaCacheBytes, async (memory) => {
    // Synchronous: a thread that is ended while it opens a file asynchronously leaks it. Others may
    // only read the file, as git's packs.
    const fd = openSync(path, 'wx+', 0o444);
    let dispatcher: Dispatcher | undefined;
    const scanner = new PackScanner(limits, memory, (columns) => {
      dispatcher = new Dispatcher({ fd, columns, limits, memory, pool: threads });
      return dispatcher;
    });
    let arrived: ReceivedPack | undefined;
    try {
      const pack = await scanArriving(source, fd, scanner, onProgress);
      const resolved = await dispatcher?.finish(path, pack);
      arrived = { path, fd, pack, ...(resolved ?? { unresolved: 0, repeatsBase: false }) };
      return arrived;
    } finally {
      scanner.close();
      await dispatcher?.close();
      if (arrived === undefined) closeSync(fd);
    }
  });
}

async function scanArriving(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  fd: number,
  scanner: PackScanner,
  onProgress: (progress: IngestProgress) => void,
): Promise<ScannedPack> {
  let receivedBytes = 0;
  const report = (phase: IngestProgress['phase']) => {
    const { objects, declared } = scanner.progress;
    onProgress({ phase, receivedBytes, receivedObjects: objects, totalObjects: declared });
  };
  let reported = 0;
  for await (const batch of inBatches(source)) {
    writeFully(fd, batch);
    await scanner.push(batch);
    receivedBytes += batch.length;
    if (receivedBytes - reported >= PROGRESS_BYTES) {
      reported = receivedBytes;
      report('receiving');
    }
  }
  const pack = await scanner.finish();
  report('resolving');
  return pack;
}

/** Batches of one size, except for the last; each is valid until the next is read. */
async function* inBatches(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
  let gathered = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(chunk.length - at, BATCH_BYTES - gathered);
      batch.set(chunk.subarray(at, at + taken), gathered);
      gathered += taken;
      at += taken;
      if (gathered < BATCH_BYTES) continue;
      yield batch;
      gathered = 0;
    }
  }
  if (gathered > 0) yield batch.subarray(0, gathered);
}
