import type { Download } from './download.js';
import { DownloadError } from './download-error.js';
import { downloadRest } from './download-rest.js';
import type { RequestOptions } from './request.js';
import { parseRetryTimeout, withRetries } from './retries.js';
import { openSource, type Source } from './source.js';

/** So many connections in a row that bring no byte end a download. */
const MAX_FRUITLESS = 3;

/**
 * The bytes of a download. When the connection breaks, the rest is requested, unless the server has
 * another snapshot by now.
 */
export function openDownload(url: URL, download: Download, options: RequestOptions): Source {
  const { name, etag } = download;
  const timeout = parseRetryTimeout(options.retryTimeout);
  const closed = new AbortController();
  const signal = AbortSignal.any([closed.signal, ...(options.signal ? [options.signal] : [])]);
  const open = (body: Download['body'], offset = 0) =>
    openSource(body, { name, status: 200, offset, signal: options.signal });
  let source = open(download.body);

  async function* read(): AsyncGenerator<Uint8Array> {
    let received = 0;
    let fruitless = 0;
    for (let skip = 0; ; ) {
      const before = received;
      try {
        for await (const chunk of source.chunks) {
          const fresh = chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - fresh.length;
          received += fresh.length;
          if (fresh.length > 0) yield fresh;
        }
        return;
      } catch (error) {
        if (etag === undefined || signal.aborted || !DownloadError.is(error)) throw error;
        fruitless = received === before ? fruitless + 1 : 0;
        if (fruitless === MAX_FRUITLESS) throw error;
        source.close();
        const soFar = { etag, bytes: received };
        const rest = await withRetries(timeout, signal, () =>
          downloadRest(url, soFar, { ...options, signal }),
        );
        if (rest === undefined) throw error;
        skip = rest.skip;
        source = open(rest.body, received - skip);
        // It may have been closed just before the answer came.
        if (closed.signal.aborted) source.close();
      }
    }
  }

  return {
    chunks: read(),
    close() {
      closed.abort();
      source.close();
    },
  };
}
