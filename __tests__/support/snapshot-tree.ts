import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { workingFiles } from './working-files.js';

export interface TreeEntry {
  type: 'file' | 'directory' | 'symlink' | 'other';
  /** The permission bits; 0 for a symlink, which has none. */
  mode: number;
  /** Bytes; 0 for all but files. */
  size: number;
  /** Of a file. */
  sha256?: string;
  /** Of a symlink; each byte as one character. */
  linkTarget?: string;
}

/** Everything in a working tree that a checkout decides: all but times, owners and `.git`. */
export async function snapshotTree(root: string): Promise<Map<string, TreeEntry>> {
  const entries: [string, TreeEntry][] = [];
  for await (const { name, path, stats } of workingFiles(root)) {
    const mode = stats.mode & 0o7777;
    if (stats.isSymbolicLink()) {
      const linkTarget = (await readlink(path, { encoding: 'buffer' })).toString('latin1');
      entries.push([name, { type: 'symlink', mode: 0, size: 0, linkTarget }]);
    } else if (stats.isFile()) {
      const hash = createHash('sha256');
      await pipeline(createReadStream(path), hash);
      entries.push([name, { type: 'file', mode, size: stats.size, sha256: hash.digest('hex') }]);
    } else {
      entries.push([name, { type: stats.isDirectory() ? 'directory' : 'other', mode, size: 0 }]);
    }
  }
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
