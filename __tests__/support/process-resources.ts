import { readdir, readlink } from 'node:fs/promises';

/** Threads of this process, those of Node itself included. Linux only. */
export async function threadCount(): Promise<number> {
  return (await readdir('/proc/self/task')).length;
}

/** What this process has open below a directory, removed files included. Linux only. */
export async function openFiles(directory: string): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd');
  // The descriptor of the listing itself is gone by now.
  const target = (descriptor: string) => readlink(`/proc/self/fd/${descriptor}`).catch(() => '');
  const targets = await Promise.all(descriptors.map(target));
  return targets.filter((found) => found.startsWith(directory));
}
