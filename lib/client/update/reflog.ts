import { appendFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const NO_COMMIT = '0'.repeat(40);
const IDENTITY = 'express-git-snapshot <restore@localhost>';

/**
 * Notes that a ref has moved, as git does (git-reflog(1)), so that `git reset --hard HEAD@{1}` takes
 * an update back.
 *
 * @param ref `HEAD`, or a full name, as text.
 */
export async function noteMove(
  gitDirectory: string,
  ref: string,
  { from, to, message }: { from: string | undefined; to: string; message: string },
): Promise<void> {
  const path = join(gitDirectory, 'logs', ref);
  const seconds = Math.floor(Date.now() / 1000);
  await mkdir(dirname(path), { recursive: true });
  const line = `${from ?? NO_COMMIT} ${to} ${IDENTITY} ${seconds} +0000\t${message}\n`;
  await appendFile(path, line);
}
