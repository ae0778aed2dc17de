import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { git, run } from './run.js';

export interface Bundle {
  /** The lines before the empty one. */
  readonly header: readonly string[];
  readonly pack: Buffer;
}

/** Takes a bundle apart (gitformat-bundle). */
export function parseBundle(bytes: Buffer): Bundle {
  const end = bytes.indexOf('\n\n');
  if (end < 0) throw new Error('a bundle without an end of its header');
  const header = bytes.toString('latin1', 0, end).split('\n');
  return { header, pack: bytes.subarray(end + 2) };
}

/**
 * The ids of a pack's objects, sorted, as git finds them. Rejects for a pack that lacks a base of its
 * deltas.
 *
 * @param directory where nothing is yet.
 */
export async function objectsOfPack(pack: Buffer, directory: string): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  await git(directory, 'init', '--quiet', '--bare');
  const file = join(directory, 'alone.pack');
  await writeFile(file, pack);
  await git(directory, 'index-pack', file);
  const lines = await run('bash', ['-c', 'git show-index < alone.idx'], { cwd: directory });
  return lines
    .split('\n')
    .flatMap((line) => line.split(' ')[1] ?? [])
    .sort();
}
