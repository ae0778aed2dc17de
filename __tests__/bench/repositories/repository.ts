import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { git } from '../../support/run.js';

/** A bare repository whose objects are in one pack with a bitmap, as hosts that serve clones do. */
export interface Repository {
  /** To be shown. */
  readonly name: string;
  readonly directory: string;
  readonly pack: string;
  readonly objects: number;
  readonly packBytes: number;
}

/** `undefined` when the repository is not packed so. */
export async function describeRepository(
  directory: string,
  name: string,
): Promise<Repository | undefined> {
  const counts = await git(directory, 'count-objects', '-v');
  const count = (key: string) => Number(new RegExp(`^${key}: (\\d+)$`, 'm').exec(counts)?.[1]);
  const packs = join(directory, 'objects', 'pack');
  const files = await readdir(packs);
  const pack = files.find((file) => file.endsWith('.pack'));
  const packed = count('count') === 0 && count('packs') === 1 && !/^alternate:/m.test(counts);
  if (pack === undefined || !packed || !files.some((file) => file.endsWith('.bitmap'))) {
    return undefined;
  }
  const path = join(packs, pack);
  const { size } = await stat(path);
  return { name, directory, pack: path, objects: count('in-pack'), packBytes: size };
}
