import type { ByteReader } from '../archive/byte-reader.js';
import { shownName } from '../archive/entry-path.js';
import type { TarEntry } from '../archive/tar-reader.js';
import { SnapshotError } from '../errors.js';
import { configKeys } from '../git/config.js';
import { verifyPath } from '../git/path-safety.js';

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
  /^(?:core\.(?:repositoryformatversion|filemode|bare|logallrefupdates|checkstat|trustctime)|remote\.origin\.(?:url|fetch)|branch\..*\.(?:remote|merge))$/s;

// Segments that Windows does not read as a file of that name. git for Windows refuses the same
// segments (`is_valid_win32_path` of compat/mingw.c).

/** Separators, streams (`file:stream`), wildcards, control characters; ends that Windows drops. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the rule is about control characters
const WINDOWS_SPECIAL = /[\x00-\x1f\\:<>"|?*]|[. ]$/;

/** Devices, with any extension. The ends of COM¹, COM² and COM³ have two bytes. */
const WINDOWS_DEVICE =
  /^(?:con|prn|aux|nul|(?:com|lpt)(?:[1-9]|\xc2[\xb9\xb2\xb3])|con(?:in|out)\$) *(?:\.|$)/i;

/** @param platform of the target's file system. @throws SnapshotError `ARCHIVE_INVALID`. */
export function refuseUnsafeEntry({ kind, path }: TarEntry, platform: NodeJS.Platform): void {
  const segments = path.split('/');
  const [top, name] = segments;
  if (platform === 'win32' && segments.some(isWindowsName)) {
    throw refused(path, "can't have its name on Windows");
  }
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

function isWindowsName(segment: string): boolean {
  return WINDOWS_SPECIAL.test(segment) || WINDOWS_DEVICE.test(segment);
}

/**
 * @param reader at the content of `.git/config`, which stays in the reader.
 * @throws SnapshotError `ARCHIVE_INVALID` for settings that this library does not write.
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
