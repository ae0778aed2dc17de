/*
 * The 512-byte header of a tar entry: POSIX.1-2017, pax, "ustar Interchange Format". Names are
 * bytes in git, and strings in latin1 here, one character a byte.
 */

export const TAR_BLOCK_BYTES = 512;
const SPACE = 0x20;

/** Where each field begins, and its length. */
export const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [at: number, length: number]>;

/** A NUL ends it; GNU tar has a space instead. */
export const USTAR_MAGIC = 'ustar';

export type TarEntryKind = 'file' | 'directory' | 'symlink';

export const TYPE_FLAGS: Readonly<Record<TarEntryKind, string>> = {
  file: '0',
  directory: '5',
  symlink: '2',
};

/** Zeros that fill the last block of a content of this size. */
export function padding(size: number): number {
  return (TAR_BLOCK_BYTES - (size % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}

/** The sum of a header's bytes. The bytes of the checksum itself count as spaces. */
export function headerChecksum(block: Buffer): number {
  const [at, length] = FIELDS.checksum;
  return sum(block, 0, at) + length * SPACE + sum(block, at + length, block.length);
}

/** By index: to iterate takes three times as long, and every file of a snapshot has a header. */
function sum(bytes: Buffer, start: number, end: number): number {
  let total = 0;
  for (let i = start; i < end; i++) total += bytes[i] ?? 0;
  return total;
}
