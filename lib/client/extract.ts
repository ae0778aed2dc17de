import type { ExtractOptions, ExtractResult } from './options.js';
import { openSource } from './source.js';
import { findTarget } from './staging.js';
import { unpack } from './unpack.js';
import { parseUnpackOptions } from './unpack-options.js';
import { withFailures } from './with-failures.js';

/**
 * Unpacks a snapshot that the caller already has: the body of a response, a file, or the `body`
 * that a service returns. All guarantees of `restoreSnapshot` hold.
 *
 * @param stream of a `snapshot.tar.zst`: any async iterable of bytes, such as a `Readable` or a web
 * `ReadableStream`. It is read to its end, or destroyed after a failure.
 * @param directory as that of `restoreSnapshot`.
 * @throws SnapshotError as `restoreSnapshot`; `DOWNLOAD_FAILED` if the stream fails, with its error
 * as the `cause`; a `SnapshotError` of the stream as it is.
 */
export async function extractSnapshot(
  stream: AsyncIterable<Uint8Array>,
  directory: string,
  options: ExtractOptions = {},
): Promise<ExtractResult> {
  const { signal } = options;
  return await withFailures(signal, async () => {
    const source = openSource(stream, { name: 'the stream', signal });
    try {
      const unpackOptions = parseUnpackOptions(options);
      signal?.throwIfAborted();
      const target = await findTarget(directory);
      return await unpack(source, target, unpackOptions, options);
    } finally {
      source.close();
    }
  });
}
