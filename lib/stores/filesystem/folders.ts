import { mkdir, readdir, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from '../../errors.js';
import { unlessMissing } from '../../fs/errors.js';
import type { FileName, Place } from './object-file.js';

/** The names of all files of a place. Reads no other folders. */
export async function filesOf(directory: string, { folder, start }: Place): Promise<FileName[]> {
  const files: FileName[] = [];
  // Where case is ignored, a folder has the name with which it was first made.
  const begins = start.toLowerCase();
  const entries = await unlessMissing(readdir(join(directory, folder), { withFileTypes: true }));
  for (const entry of entries ?? []) {
    if (!entry.name.toLowerCase().startsWith(begins)) continue;
    const name = folder + entry.name;
    if (entry.isDirectory()) {
      files.push(...(await filesOf(directory, { folder: `${name}/`, start: '' })));
    } else {
      files.push(name);
    }
  }
  return files;
}

/**
 * Runs work that puts a file into its folder, which it makes. Another process may remove the folder
 * while it is empty: then the work runs again. If the directory itself is gone, so are the bytes of
 * the file: it is not made again.
 */
export async function inFolder(
  directory: string,
  path: string,
  work: () => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await makeFolder(directory, dirname(path));
      await work();
      return;
    } catch (error) {
      if (!hasCode(error, 'ENOENT') || attempt === 3) throw error;
    }
  }
}

async function makeFolder(directory: string, folder: string): Promise<void> {
  if (folder === directory) return;
  await makeFolder(directory, dirname(folder));
  await mkdir(folder).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
  });
}

/** Removes the folder of a file, and the folders above it, if they are empty. */
export async function removeEmptyFolders(directory: string, name: FileName): Promise<void> {
  for (let folder = dirname(name); folder !== '.'; folder = dirname(folder)) {
    try {
      await rmdir(join(directory, folder));
    } catch {
      return; // another file is in it, or another process has removed it
    }
  }
}
