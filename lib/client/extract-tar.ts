import { ByteReader } from '../archive/byte-reader.js';
import { readTar } from '../archive/tar-reader.js';
import type { TreeLimits } from './limits.js';
import { TreeWriter } from './tree-writer.js';
import { CONFIG_PATH, refuseUnsafeConfig, refuseUnsafeEntry } from './unsafe-entries.js';

interface ExtractTarOptions extends TreeLimits {
  /** Checked between entries: it does not end a wait for the source. */
  readonly signal: AbortSignal | undefined;
  /** Called for each file and symlink. */
  readonly onFile: () => void;
  /** Of the target's file system. Default: this process's. */
  readonly platform?: NodeJS.Platform;
}

/**
 * Unpacks a tar archive into an empty directory. After an error, the files written before stay.
 *
 * @throws SnapshotError `ARCHIVE_INVALID`, `LIMIT_EXCEEDED`; errors of the source and the file
 * system as they are.
 */
export async function extractTar(
  source: AsyncIterable<Uint8Array>,
  directory: string,
  { signal, onFile, platform = process.platform, ...limits }: ExtractTarOptions,
): Promise<void> {
  const reader = new ByteReader(source);
  const tree = new TreeWriter(directory, limits);
  try {
    for await (const entry of readTar(reader)) {
      signal?.throwIfAborted();
      refuseUnsafeEntry(entry, platform);
      if (entry.path === CONFIG_PATH) await refuseUnsafeConfig(entry.size, reader);
      await tree.write(entry, reader);
      if (entry.kind !== 'directory') onFile();
    }
  } finally {
    await reader.close();
  }
  await tree.finish(signal);
}
