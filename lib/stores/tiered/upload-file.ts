import { open } from 'node:fs/promises';
import { withStoreFailure } from '../../fs/errors.js';
import type { AdoptOptions, Metadata, StoredObject } from '../store.js';
import type { FarCircuitBreaker } from './far-circuit-breaker.js';

const READ_BYTES = 256 * 1024;

/**
 * Copies a file to the far tier; `undefined` if the far tier fails.
 *
 * @throws SnapshotError `STORE_FAILED` when the file cannot be read; `PRECONDITION_FAILED`; the
 *   signal's reason.
 */
export async function uploadFile(
  file: string,
  far: FarCircuitBreaker,
  key: string,
  metadata: Metadata,
  { expendable, replaces, signal }: AdoptOptions,
): Promise<StoredObject | undefined> {
  const handle = await withStoreFailure(() => open(file, 'r'));
  try {
    const write = await far.write(key, metadata, { expendable, replaces });
    try {
      const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
      for (;;) {
        const { bytesRead } = await withStoreFailure(() => handle.read(buffer));
        signal?.throwIfAborted();
        if (bytesRead === 0) return await write.commit();
        await write.write(buffer.subarray(0, bytesRead));
        if (write.hasFailed) return undefined;
      }
    } finally {
      await write.abort();
    }
  } finally {
    await handle.close();
  }
}
