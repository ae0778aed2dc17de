import { git } from './run.js';

export interface RepackOptions {
  /** Brings all objects into one pack. Default: true. */
  repack?: boolean;
  /** Gives that pack a bitmap index, as a host that serves many clones does. Default: false. */
  bitmaps?: boolean;
}

export async function repack(
  directory: string,
  { repack = true, bitmaps = false }: RepackOptions = {},
): Promise<void> {
  if (repack) await git(directory, 'repack', '--quiet', '-ad', ...(bitmaps ? ['-b'] : []));
}
