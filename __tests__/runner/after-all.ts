import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';

/** Run by jest after the last suite. @throws Error when something is left: a file, or a process. */
export default async function afterAll(): Promise<void> {
  const { TMPDIR: directory = '', TEST_SPAWNER = '', TEST_REPOSITORIES = '' } = process.env;
  const own = [TEST_SPAWNER, TEST_REPOSITORIES].map((path) => basename(path));
  const files = (await readdir(directory)).filter((name) => !own.includes(name));
  const processes = await processesOf(directory);
  if (files.length + processes.length === 0) return;
  throw new Error(`left behind: ${[...files, ...processes].join(', ')}`);
}

/** Those that work with a directory, by their environment. Only Linux tells. */
async function processesOf(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const id of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(id)) continue;
    try {
      const environment = await readFile(`/proc/${id}/environ`, 'utf8');
      if (!environment.includes(`TMPDIR=${directory}`)) continue;
      found.push((await readFile(`/proc/${id}/cmdline`, 'utf8')).replaceAll('\0', ' '));
    } catch {
      // It has ended, or is somebody else's.
    }
  }
  return found;
}
