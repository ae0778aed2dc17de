import type { ByteReader } from '../archive/byte-reader.js';
import { shownName } from '../archive/entry-path.js';
import type { TarEntry } from '../archive/tar-reader.js';
import { SnapshotError } from '../errors.js';
import { configKeys } from '../git/config.js';
import { verifyPath } from '../git/path-safety.js';

/*
 * Checks what a snapshot has in `.git`. In a checkout, git runs hooks and the programs that its
 * config names. No clone brings any of these, so no snapshot may, whatever server made it.
 */

export const CONFIG_PATH = '.git/config';

/** More than a long URL and a long branch name take. */
const MAX_CONFIG_BYTES = 64 * 1024;

/**
 * The names that git's clone leaves there. Not `commondir` or `config.worktree`, which lead to
 * other configs.
 */
const NAMES =
  /^(?:HEAD|[A-Z_]+_HEAD|branches|config|description|hooks|index|info|lfs|logs|objects|packed-refs|refs|shallow)$/;

/**
 * The examples of git's own template, which git never runs. Without modes, git runs any other hook.
 */
const SAMPLE_HOOK = /\.sample$/;

const CONFIG_KEYS =
  /^(?:core\.(?:repositoryformatversion|filemode|bare|logallrefupdates|checkstat|trustctime)|remote\.origin\.(?:url|fetch)|branch\..*\.(?:remote|merge))$/s;

/**
 * Refuses names that git does not check out, and in `.git` names that git's clone does not leave
 * there.
 *
 * @throws SnapshotError `ARCHIVE_INVALID`.
 */
export function refuseUnsafeEntry({ kind, path }: TarEntry): void {
  const [top, name] = path.split('/');
  if (top !== '.git') {
    const refusal = path === '' ? undefined : verifyPath(path, kind === 'symlink');
    if (refusal !== undefined) throw refused(path, refusal);
    return;
  }
  if (kind === 'symlink') throw refused(path, 'is a symlink');
  if (name === undefined) {
    if (kind !== 'directory') throw refused(path, 'is no directory');
    return;
  }
  if (!NAMES.test(name)) throw refused(path, 'is no part of a clone');
  if (name === 'hooks' && kind === 'file' && !SAMPLE_HOOK.test(path)) {
    throw refused(path, 'is a hook');
  }
}

/**
 * @param reader at the content of `.git/config`, which it does not take.
 * @throws SnapshotError `ARCHIVE_INVALID` for a config that sets more than the server's.
 */
export async function refuseUnsafeConfig(size: number, reader: ByteReader): Promise<void> {
  if (size > MAX_CONFIG_BYTES) throw refused(CONFIG_PATH, `has ${size} bytes`);
  const keys = configKeys((await reader.peek(size)).toString('latin1'));
  if (keys === undefined) throw refused(CONFIG_PATH, 'is not as git writes it');
  const unexpected = keys.find((key) => !CONFIG_KEYS.test(key));
  if (unexpected !== undefined) throw refused(CONFIG_PATH, `sets ${JSON.stringify(unexpected)}`);
}

function refused(path: string, why: string): SnapshotError {
  return new SnapshotError('ARCHIVE_INVALID', `the archive's ${shownName(path)} ${why}`);
}
