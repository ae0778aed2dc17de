import { Readable } from 'node:stream';
import { isUint8Array } from 'node:util/types';
import { unlessAborted } from '../async/abort.js';
import { SnapshotError } from '../errors.js';
import { DownloadError } from './download-error.js';

/** A stream that this client reads, and ends. */
export interface Source {
  /** To read once. Rejects as soon as the signal aborts, also while the stream sends nothing. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Destroys the stream, also during a read, unless it has ended. Idempotent. */
  close(): void;
}

export interface SourceOptions {
  /** Of the stream, for messages. */
  readonly name: string;
  /** Of the answer whose body the stream is. */
  readonly status?: number | undefined;
  /** Bytes that came before, by other streams. Default: 0. */
  readonly offset?: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * @throws SnapshotError `INVALID_OPTIONS` for anything but a stream of bytes; `DOWNLOAD_FAILED` when
 * the stream fails, except with a `SnapshotError`, which is thrown as it is.
 */
export function openSource(stream: AsyncIterable<Uint8Array>, options: SourceOptions): Source {
  if (!(Symbol.asyncIterator in Object(stream))) throw noBytes(options);
  // A web stream can't be cancelled during a read, but Node's wrapper of it can.
  const source = stream instanceof ReadableStream ? Readable.fromWeb(stream) : stream;
  const readable = source instanceof Readable ? source : undefined;
  // Without a listener, an error before the first read would end the process.
  readable?.on('error', () => {});
  const iterator = source[Symbol.asyncIterator]();
  const end = async () => iterator.return?.();
  return {
    chunks: read(iterator, options),
    close() {
      if (readable) readable.destroy();
      else end().catch(() => {}); // not awaited: a generator first finishes its pending read
    },
  };
}

async function* read(
  iterator: AsyncIterator<Uint8Array>,
  options: SourceOptions,
): AsyncGenerator<Uint8Array> {
  for (let bytes = options.offset ?? 0; ; ) {
    const { done, value } = await nextOf(iterator, bytes, options);
    if (done) return;
    if (!isUint8Array(value)) throw noBytes(options);
    bytes += value.length;
    yield value;
  }
}

async function nextOf(
  iterator: AsyncIterator<Uint8Array>,
  bytes: number,
  { name, status, signal }: SourceOptions,
): Promise<IteratorResult<Uint8Array>> {
  try {
    return await unlessAborted(iterator.next(), signal);
  } catch (cause) {
    if (SnapshotError.is(cause)) throw cause;
    throw new DownloadError(`${name} broke off after ${bytes} bytes`, { status, cause });
  }
}

function noBytes({ name }: SourceOptions): SnapshotError {
  return new SnapshotError('INVALID_OPTIONS', `${name} is no stream of Uint8Array`);
}
