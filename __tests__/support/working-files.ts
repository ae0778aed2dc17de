import { isUtf8 } from 'node:buffer';
import type { Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';

export interface WorkingFile {
  /** Below the root, with `/`; bytes that are not UTF-8 as `\xHH`. */
  readonly name: string;
  /** As the file system wants it. */
  readonly path: Buffer;
  readonly stats: Stats;
}

/** All files, links and directories below a directory but `.git` at its top, in no order. */
export async function* workingFiles(root: string): AsyncGenerator<WorkingFile> {
  const top = Buffer.from(`${root}/`);
  const pending: Buffer[] = [top];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const entry of await readdir(directory, { encoding: 'buffer' })) {
      const path = Buffer.concat([directory, entry]);
      const name = printable(path.subarray(top.length));
      if (name === '.git') continue;
      const stats = await lstat(path);
      if (stats.isDirectory()) pending.push(Buffer.concat([path, Buffer.from('/')]));
      yield { name, path, stats };
    }
  }
}

function printable(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString();
  return bytes
    .toString('latin1')
    .replace(/[\x80-\xff]/g, (c) => `\\x${c.charCodeAt(0).toString(16)}`);
}
