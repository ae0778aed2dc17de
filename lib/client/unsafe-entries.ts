import type { ByteReader } from '../archive/byte-reader.js';
import type { TarEntry } from '../archive/tar-reader.js';
import { configKeys } from '../git/config-keys.js';
import { verifyPath } from '../git/path-safety.js';
import { refused } from './entry-errors.js';

/*
 * Refuses entries that no server may send: names that git does not check out, and everything in
 * `.git` that no clone has. git would run the hooks, and the programs that its config names.
 */

export const CONFIG_PATH = '.git/config';

/** More than a long URL and a long branch name take. */
const MAX_CONFIG_BYTES = 64 * 1024;

/** As a clone leaves them. Not `commondir` or `config.worktree`, which lead to other configs. */
const NAMES =
  /^(?:HEAD|[A-Z_]+_HEAD|branches|config|description|hooks|index|info|lfs|logs|objects|packed-refs|refs|shallow)$/;

const CONFIG_KEYS =
  /^(?:core\.(?:repositoryformatversion|filemode|symlinks|ignorecase|precomposeunicode|bare|logallrefupdates|checkstat|trustctime)|remote\.origin\.(?:url|fetch)|branch\..*\.(?:remote|merge))$/s;

/** @throws SnapshotError `ARCHIVE_INVALID`. */
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
  // git never runs the examples of its own template.
  if (name === 'hooks' && kind === 'file' && !path.endsWith('.sample')) {
    throw refused(path, 'is a hook');
  }
}

/**
 * Reads a config, of which no setting may run a program.
 *
 * @param reader at the content of `.git/config`.
 * @returns bytes as latin1.
 * @throws SnapshotError `ARCHIVE_INVALID` for settings that this library does not write.
 */
export async function readSafeConfig(size: number, reader: ByteReader): Promise<string> {
  if (size > MAX_CONFIG_BYTES) throw refused(CONFIG_PATH, `has ${size} bytes`);
  const text = (await reader.take(size)).toString('latin1');
  const keys = configKeys(text);
  if (keys === undefined) throw refused(CONFIG_PATH, 'is not as git writes it');
  const unexpected = keys.find((key) => !CONFIG_KEYS.test(key));
  if (unexpected !== undefined) throw refused(CONFIG_PATH, `sets ${JSON.stringify(unexpected)}`);
  return text;
}
