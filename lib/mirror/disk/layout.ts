import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

/*
 * A mirror is a bare repository (gitrepository-layout(5)), with one more directory:
 *
 *     objects/pack/pack-{checksum}.pack   and .idx: the objects
 *     express-git-snapshot/3.json         a revision; the highest number is the current one. On a file
 *                                         system without hard links: a directory with the file
 *     express-git-snapshot/{digest}.refs  the refs of a revision, in the format of `packed-refs`
 *     express-git-snapshot/used           its mtime: when a client last requested the repository
 *     config, HEAD, packed-refs, refs/    written for git, never read by this library
 */

export function packDirectory(mirror: string): string {
  return join(mirror, 'objects', 'pack');
}

/** Paths of packs and their idx files, without extension. */
export function packPaths(mirror: string, packs: readonly string[]): string[] {
  return packs.map((name) => join(packDirectory(mirror), name));
}

/** Names of the files of packs, or their paths. @param packs without extension. */
export function packFiles(packs: readonly string[]): string[] {
  return packs.flatMap((pack) => [`${pack}.pack`, `${pack}.idx`]);
}

export function revisionDirectory(mirror: string): string {
  return join(mirror, 'express-git-snapshot');
}

export function revisionPath(mirror: string, number: number): string {
  return join(revisionDirectory(mirror), `${number}.json`);
}

export function refsName(digest: string): string {
  return `${digest}.refs`;
}

export function refsPath(mirror: string, digest: string): string {
  return join(revisionDirectory(mirror), refsName(digest));
}

/** The file whose mtime tells when a client last requested the repository. */
export function lastUsedPath(mirror: string): string {
  return join(revisionDirectory(mirror), 'used');
}

export async function createMirrorDirectories(mirror: string): Promise<void> {
  await mkdir(packDirectory(mirror), { recursive: true });
  await mkdir(join(mirror, 'refs'), { recursive: true });
  await mkdir(revisionDirectory(mirror));
}
