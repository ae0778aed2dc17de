import { fail } from 'node:assert';
import { lutimes, open, readFile, readlink, symlink, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run.js';
import { temporaryDirectory } from './temporary-directory.js';
import { type WorkingFile, workingFiles } from './working-files.js';

/**
 * Proves that the first `git status` in a fresh checkout reads no working file. In a copy each file
 * and link gets other content of the same size and time: a status that is still clean has not looked
 * at any of it. git's own count of compared files (trace2 `refresh/sum_scan`) must be 0 as well.
 *
 * @param parent of the copy. Default: where all temporary files are.
 * @returns how many files and links were altered.
 */
export async function statusReadsNothing(directory: string, parent?: string): Promise<number> {
  const { path: scratch, remove } = await temporaryDirectory(parent);
  try {
    const copy = join(scratch, 'copy');
    await run('cp', ['-a', directory, copy]);
    let altered = 0;
    for await (const file of workingFiles(copy)) altered += (await alter(file)) ? 1 : 0;
    if (altered === 0) fail('there is no file to prove anything with');

    const trace = join(scratch, 'trace');
    const status = await run('git', ['status', '--porcelain'], {
      cwd: copy,
      env: { GIT_TRACE2_EVENT: trace },
    });
    if (status !== '') fail(`git status has read files:\n${status.slice(0, 2000)}`);
    const scans = scanCounts(await readFile(trace, 'utf8'));
    if (scans.length === 0) fail('this git does not trace refresh/sum_scan');
    if (scans.some((count) => count !== 0)) fail(`git status has compared ${scans} files`);
    return altered;
  } finally {
    await remove();
  }
}

/** @returns whether there was a byte to alter. */
async function alter({ name, path, stats }: WorkingFile): Promise<boolean> {
  // git status reads these files for their meaning, not to compare them.
  if (/(^|\/)\.git(ignore|modules|attributes)$/.test(name)) return false;
  const times = [stats.atimeMs / 1000, stats.mtimeMs / 1000] as const;
  if (stats.isSymbolicLink()) {
    const target = await readlink(path, { encoding: 'buffer' });
    target.writeUInt8(target.readUInt8(0) ^ 1);
    await unlink(path);
    await symlink(target, path);
    await lutimes(path, ...times);
    return true;
  }
  if (!stats.isFile() || stats.size === 0) return false;
  const file = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, 0);
    await file.write(Buffer.of(byte.readUInt8(0) ^ 1), 0, 1, 0);
  } finally {
    await file.close();
  }
  await utimes(path, ...times);
  return true;
}

function scanCounts(trace: string): number[] {
  return trace.split('\n').flatMap((line) => {
    const count = /"key":"refresh\/sum_scan","value":"(\d+)"/.exec(line)?.[1];
    return count === undefined ? [] : [Number(count)];
  });
}
