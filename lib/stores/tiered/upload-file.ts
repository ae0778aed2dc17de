import { withStoreFailure } from '../../fs/errors.js';
import { fileBody } from '../body.js';
import type { PutOptions, StoredObject } from '../store.js';
import type { CircuitBreaker } from './circuit-breaker.js';

/** Copies a file to the shared tier; `undefined` if the shared tier fails. The file stays. */
export async function uploadFile(
  shared: CircuitBreaker,
  key: string,
  file: string,
  options: PutOptions,
  signal: AbortSignal | undefined,
): Promise<StoredObject | undefined> {
  const write = await shared.write(key, options);
  return await withStoreFailure(async () => {
    try {
      for await (const chunk of fileBody(file, signal)) {
        await write?.write(chunk);
        if (write?.hasEnded !== false) return undefined;
      }
      return await write?.finish();
    } finally {
      await write?.abort();
    }
  });
}
