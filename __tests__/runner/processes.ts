import { readdir, readFile } from 'node:fs/promises';

export interface RunningProcess {
  readonly id: number;
  readonly command: string;
}

/** Finds the processes whose `TMPDIR` is a directory. Linux only: elsewhere it finds none. */
export async function processesOf(directory: string): Promise<RunningProcess[]> {
  const found: RunningProcess[] = [];
  for (const id of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(id)) continue;
    try {
      const environment = await readFile(`/proc/${id}/environ`, 'utf8');
      if (!environment.includes(`TMPDIR=${directory}`)) continue;
      const command = (await readFile(`/proc/${id}/cmdline`, 'utf8')).replaceAll('\0', ' ');
      found.push({ id: Number(id), command });
    } catch {
      // The process has ended, or belongs to another user.
    }
  }
  return found;
}
