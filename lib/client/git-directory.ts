import type { ByteReader } from '../archive/byte-reader.js';
import { shownName } from '../archive/entry-path.js';
import type { TarEntry } from '../archive/tar-reader.js';
import { SnapshotError } from '../errors.js';
import { configKeys } from '../git/config.js';
import { verifyPath } from '../git/path-safety.js';

/*
 * What a snapshot may have in `.git`. Whoever enters a checkout has git run hooks and what its config names: none
 * of that comes with a repository, so none may come with a snapshot, whoever made it.
 */

export const CONFIG_PATH = '.git/config';

/** More than a long URL and a long branch name take. */
const MAX_CONFIG_BYTES = 64 * 1024;

/** What git's clone leaves there. Not `commondir` or `config.worktree`, which lead to another config. */
const NAMES =
  /^(?:HEAD|[A-Z_]+_HEAD|branches|config|description|hooks|index|info|lfs|logs|objects|packed-refs|refs|shallow)$/;

/** The examples of git's own template, which it never runs. Others count where a file system has no modes. */
const SAMPLE_HOOK = /\.sample$/;

const CONFIG_KEYS =
  /^(?:core\.(?:repositoryformatversion|filemode|bare|logallrefupdates|checkstat|trustctime)|remote\.origin\.(?:url|fetch)|branch\..*\.(?:remote|merge))$/s;

/**
 * Refuses what git would not check out, and in `.git` what its clone does not leave there.
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
 * @param reader stands at the content of `.git/config`, which stays there.
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
