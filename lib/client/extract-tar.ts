import { ByteReader } from '../archive/byte-reader.js';
import { readTar, type TarEntry } from '../archive/tar-reader.js';
import type { FileSystem } from './file-system.js';
import { fitConfig } from './fit-config.js';
import type { ExtractResult } from './options.js';
import { TreeWriter } from './tree-writer.js';
import type { UnpackOptions } from './unpack-options.js';
import { CONFIG_PATH, readSafeConfig, refuseUnsafeEntry } from './unsafe-entries.js';

interface ExtractTarOptions extends UnpackOptions {
  /** The directory's. */
  readonly fileSystem: FileSystem;
  /** Checked between entries: it does not end a wait for the source. */
  readonly signal: AbortSignal | undefined;
  /** Called for each file and symlink. */
  readonly onFile: () => void;
}

/**
 * Unpacks a tar archive into an empty directory. After an error, the files written before stay.
 *
 * @throws SnapshotError `ARCHIVE_INVALID`, `NAME_UNSUPPORTED`, `LIMIT_EXCEEDED`; errors of the source
 * and the file system as they are.
 */
export async function extractTar(
  source: AsyncIterable<Uint8Array>,
  directory: string,
  { signal, onFile, ...options }: ExtractTarOptions,
): Promise<Pick<ExtractResult, 'collisions' | 'skipped'>> {
  const reader = new ByteReader(source);
  const tree = new TreeWriter(directory, options);
  try {
    for await (const entry of readTar(reader)) {
      signal?.throwIfAborted();
      refuseUnsafeEntry(entry);
      if (options.onlyGit && !isOfGit(entry.path)) continue;
      if (entry.path === CONFIG_PATH) await writeConfig(entry, reader, tree, options.fileSystem);
      else await tree.write(entry, reader);
      if (entry.kind !== 'directory') onFile();
    }
  } finally {
    await reader.close();
  }
  await tree.finish(signal);
  return { collisions: tree.collisions.map(shown), skipped: tree.skipped.map(shown) };
}

/** Whether a path is of the target itself, `.git`, or below it. */
function isOfGit(path: string): boolean {
  return path === '' || path === '.git' || path.startsWith('.git/');
}

/** The server does not know the client's file system. */
async function writeConfig(
  entry: TarEntry,
  reader: ByteReader,
  tree: TreeWriter,
  { gitSettings }: FileSystem,
): Promise<void> {
  const text = fitConfig(await readSafeConfig(entry.size, reader), gitSettings);
  const content = Buffer.from(text, 'latin1');
  async function* fitted() {
    yield content;
  }
  await tree.write({ ...entry, size: content.length }, new ByteReader(fitted()));
}

function shown(path: string): string {
  return Buffer.from(path, 'latin1').toString();
}
