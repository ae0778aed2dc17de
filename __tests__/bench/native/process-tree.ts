import { readdir, readFile } from 'node:fs/promises';
import { hasCode } from '../../../lib/errors.js';

/** USER_HZ: what proc(5) counts CPU time in, on all architectures that Node supports. */
const TICKS_PER_SECOND = 100;

/** CPU time of a process and its children that run, to 10 ms. Linux only. */
export async function cpuSecondsOfTree(pid: number): Promise<number> {
  let ticks = 0;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const process = await readStat(name);
    if (process && (name === String(pid) || process.parent === pid)) ticks += process.ticks;
  }
  return ticks / TICKS_PER_SECOND;
}

/** `undefined` when the process has ended. */
async function readStat(pid: string): Promise<{ parent: number; ticks: number } | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    // The name of the program, in parentheses, may have spaces in it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch (error) {
    if (hasCode(error) && (error.code === 'ENOENT' || error.code === 'ESRCH')) return undefined;
    throw error;
  }
}
