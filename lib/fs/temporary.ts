import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { hasCode } from '../errors.js';
import { unlessMissing } from './errors.js';

/*
 * Names of unfinished files and directories: `{prefix}~{host}~{pid}~{start}~{random}.tmp`. They
 * identify the writer, so that a starting process removes only the files of crashed processes.
 * `start` is needed because the only process of a container has the same pid after each restart.
 *
 * Limit: if two containers share a directory and a host name, each removes the other's files.
 */
const TEMPORARY = /~([A-Za-z0-9._-]{1,64})~(\d{1,10})~(\d{1,16})~[0-9a-f]{16}\.tmp$/;

const HOST = hostname()
  .replace(/[^A-Za-z0-9.-]/g, '_')
  .slice(0, 64);
/** Milliseconds since the epoch; the same in all threads of the process. */
const START = Math.round(performance.timeOrigin);

/** Milliseconds after which a file counts as abandoned, if the state of its process is unknown. */
const ABANDONED_AFTER = 24 * 60 * 60_000;
const MAX_PID = 0x7fff_ffff;

/** A new name for an unfinished file. `prefix` is for human readers and has at most 128 bytes. */
export function temporaryName(prefix: string): string {
  return `${prefix}~${HOST}~${process.pid}~${START}~${randomBytes(8).toString('hex')}.tmp`;
}

export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/** Makes a directory if it is missing, and removes unfinished files of dead processes in it. */
export async function prepareDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await removeAbandoned(directory);
}

/** Removes unfinished files of dead processes, and of unknown ones after `ABANDONED_AFTER`. */
export async function removeAbandoned(directory: string): Promise<void> {
  for (const name of (await unlessMissing(readdir(directory))) ?? []) {
    const path = join(directory, name);
    if (await isAbandoned(name, path)) await removeTree(path);
  }
}

/** Whether the process that made a temporary name has died, as far as is known. @param path its file. */
export async function isAbandoned(name: string, path: string): Promise<boolean> {
  const [, host, pid, start] = TEMPORARY.exec(name) ?? [];
  if (host === undefined) return false;
  const owner = host === HOST ? stateOf(Number(pid), Number(start)) : 'unknown';
  return owner === 'dead' || (owner === 'unknown' && (await isOld(path)));
}

/**
 * Removes a file or directory, if it is there. On NFS and Windows, a file that a process still reads
 * keeps its directory: one with a temporary name is then left for the next start.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    // Another process may be adding or removing files: hence the retries.
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    const isInUse = hasCode(error, 'ENOTEMPTY', 'EBUSY', 'EPERM', 'EEXIST');
    if (!isInUse || !isTemporaryName(path)) throw error;
  }
}

/** Makes something in a directory, which is made again if another program has removed it. */
export async function inDirectory<T>(directory: string, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    await mkdir(directory, { recursive: true });
    return await make();
  }
}

/** The state of a process of this host. `unknown`: a process with its pid runs, maybe another. */
function stateOf(pid: number, start: number): 'this process' | 'dead' | 'unknown' {
  if (pid > MAX_PID) return 'unknown';
  if (pid === process.pid) return start === START ? 'this process' : 'dead';
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return 'dead';
    // EPERM: another user's process has this pid.
    if (!hasCode(error, 'EPERM')) throw error;
  }
  return 'unknown';
}

async function isOld(path: string): Promise<boolean> {
  const stats = await unlessMissing(lstat(path));
  return stats !== undefined && Date.now() - stats.mtimeMs > ABANDONED_AFTER;
}
