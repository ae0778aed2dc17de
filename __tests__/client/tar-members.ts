import { encodeTarHeader } from '../../lib/archive/tar.js';
import { extractTar } from '../../lib/client/extract-tar.js';
import { FileSystem, type FileSystemAbilities } from '../../lib/client/file-system.js';
import type { OnUnsupported } from '../../lib/client/options.js';

/** The content of a file, a symlink as `→ target`, or `undefined` for a directory. */
export type Members = readonly (readonly [
  path: string,
  content: string | undefined,
  mode?: number,
])[];

const SECONDS = 1_500_000_000;

/** A tar archive of names as bytes in UTF-8. */
export function tarOfMembers(members: Members): Buffer {
  const parts = members.flatMap(([name, content, mode]) => {
    const path = latin1(`./${name}`);
    const mtime = SECONDS;
    if (content === undefined) {
      const header = {
        path: `${path}/`,
        kind: 'directory',
        mode: mode ?? 0o755,
        size: 0,
        mtime,
      } as const;
      return [encodeTarHeader(header)];
    }
    if (content.startsWith('→ ')) {
      const target = latin1(content.slice(2));
      const header = { path, kind: 'symlink', mode: 0o777, size: 0, mtime, target } as const;
      return [encodeTarHeader(header)];
    }
    const bytes = Buffer.from(content);
    const header = { path, kind: 'file', mode: mode ?? 0o644, size: bytes.length, mtime } as const;
    return [encodeTarHeader(header), bytes, Buffer.alloc(-bytes.length & 511)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

export interface ExtractMembersOptions {
  /** Replace abilities of the directory's file system. */
  readonly abilities?: Partial<FileSystemAbilities>;
  readonly platform?: NodeJS.Platform;
  readonly onUnsupported?: OnUnsupported;
}

/** Extracts members into an empty directory. */
export async function extractMembers(
  members: Members,
  directory: string,
  { abilities = {}, platform, onUnsupported = 'fail' }: ExtractMembersOptions = {},
) {
  async function* archive() {
    yield tarOfMembers(members);
  }
  const own = await FileSystem.of(directory);
  const { fileModes, symlinks, foldsCase, foldsUnicode, permissions } = own;
  const has = { fileModes, symlinks, foldsCase, foldsUnicode, permissions, ...abilities };
  return await extractTar(archive(), directory, {
    maxBytes: 2 ** 30,
    maxEntries: 1000,
    onUnsupported,
    fileSystem: new FileSystem(has, platform),
    signal: undefined,
    onFile: () => {},
  });
}
