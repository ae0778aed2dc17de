import type { FileHandle } from 'node:fs/promises';
import { SnapshotError } from '../../errors.js';
import { withStoreFailure } from '../../fs/failure.js';
import type { Slice } from '../range.js';
import { RecyclingBody } from '../recycling-body.js';

/**
 * The bytes of a slice of an open file. Owns the handle and closes it, however it ends. Unlike a file
 * stream of Node's it fails when the file turns out to be shorter, and fails with coded errors.
 */
export class FileBody extends RecyclingBody {
  constructor(handle: FileHandle, { start, stop }: Slice, signal: AbortSignal | undefined) {
    let position = start;
    const read = async (buffer: Buffer): Promise<number> => {
      const length = Math.min(buffer.length, stop - position);
      if (length === 0) return 0;
      const { bytesRead } = await withStoreFailure(() => handle.read(buffer, 0, length, position));
      if (bytesRead === 0) throw new SnapshotError('STORE_FAILED', 'the file was truncated');
      position += bytesRead;
      return bytesRead;
    };
    super({ read, close: () => handle.close() }, stop - start, signal);
  }
}
