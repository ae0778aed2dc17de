import { z } from 'zod';
import { bytes, callback, checkOptions } from '../../check-options.js';
import { keepReplaced } from '../keep-replaced.js';

const schema = z.strictObject({
  /** Made if missing. Other files in it are left alone. */
  directory: z.string().min(1, 'must not be empty'),
  /**
   * Bytes of all object files; the objects that were not opened for longest go, and only expendable
   * ones for one that is expendable. An object for which that does not make room is not kept: its
   * `commit` succeeds, and the next `open` is a miss. Writes in progress come on top, and processes
   * that commit at the same moment may exceed it until the next commit. Replaced revisions count,
   * and go first. Default: no limit.
   */
  maxBytes: bytes.optional(),
  ...keepReplaced,
  /** Called with the key of each object that this process removed to make room. */
  onEvict: callback<(key: string) => void>().optional(),
});

/** What `FileSystemStore` takes. */
export type FileSystemStoreOptions = z.input<typeof schema>;
export type FileSystemStoreConfig = z.output<typeof schema>;

/** @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong. */
export function parseFileSystemStoreOptions(
  options: FileSystemStoreOptions,
): FileSystemStoreConfig {
  return checkOptions(schema, options, 'FileSystemStore');
}
