import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ingest } from '../pack/ingesting.js';
import { storePack } from '../pack/stored-pack.js';

/** Makes a directory a mirror of this pack, with one branch. */
export async function makeMirror(
  mirror: string,
  pack: Buffer,
  head: string | undefined,
): Promise<void> {
  const packs = join(mirror, 'objects/pack');
  await mkdir(packs, { recursive: true });
  const made = await ingest(pack);
  await storePack(packs, made.name, made);
  await writeFile(join(mirror, 'HEAD'), 'ref: refs/heads/main\n');
  await writeFile(join(mirror, 'packed-refs'), `${head} refs/heads/main\n`);
}
