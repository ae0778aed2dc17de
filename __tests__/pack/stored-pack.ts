import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runBinary } from '../support/run.js';

/** Writes the two files of a pack, whatever is in them. @returns the directory. */
export async function storePack(
  directory: string,
  name: string,
  { pack, idx }: { pack: Uint8Array; idx: Uint8Array },
): Promise<string> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, `${name}.pack`), pack);
  await writeFile(join(directory, `${name}.idx`), idx);
  return directory;
}

export interface KnownObject {
  readonly oid: string;
  readonly type: string;
  readonly data: Buffer;
}

/** All objects of a repository, as git reads them. */
export async function objectsOf(repository: string): Promise<KnownObject[]> {
  const args = ['cat-file', '--batch', '--batch-all-objects', '--buffer'];
  const output = await runBinary('git', args, { cwd: repository });
  const objects: KnownObject[] = [];
  for (let at = 0; at < output.length; ) {
    const lineEnd = output.indexOf('\n', at);
    const [oid = '', type = '', size = ''] = output.toString('latin1', at, lineEnd).split(' ');
    const end = lineEnd + 1 + Number(size);
    objects.push({ oid, type, data: output.subarray(lineEnd + 1, end) });
    at = end + 1;
  }
  return objects;
}
