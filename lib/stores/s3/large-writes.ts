import { inspect } from 'node:util';
import {
  type CompleteMultipartUploadCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { elapsedSince, LONG_AGO, now } from '../../async/clock.js';
import { SnapshotError } from '../../errors.js';
import type { StoredObject } from '../store.js';
import type { S3Bucket } from './bucket.js';
import { answerOf } from './failure.js';
import { largeFolder, largeName, pointerMetadata, pointerName } from './large-objects.js';
import type { ObjectReader } from './object-reader.js';

const HOUR = 60 * 60_000;
/** Milliseconds between two searches for leftovers, by all processes together. */
const SWEEP_INTERVAL = 24 * HOUR;
/**
 * Milliseconds after which bytes without a pointer are leftovers: before, a write may be about to
 * publish them. Some servers count from the beginning of an upload.
 */
const MIN_AGE = 24 * HOUR;
/** An object whose date tells when leftovers were last searched for. */
const SWEPT = '!large-swept';

interface LargeObject extends Pick<StoredObject, 'key' | 'size' | 'revision'> {
  /** For the pointer. */
  readonly params: PutObjectCommandInput;
  /** Follows the bytes; empty if the metadata hold the whole description. */
  readonly trailer: Buffer;
}

/**
 * Writes and removes the bytes of objects that have pointers: see `large-objects.ts`. Bytes without
 * a pointer, which a crash leaves, are removed by a search once a day.
 */
export class LargeWrites {
  readonly #bucket: S3Bucket;
  readonly #reader: ObjectReader;
  readonly #closing = new AbortController();
  #sweptAt = LONG_AGO;

  constructor(bucket: S3Bucket, reader: ObjectReader) {
    this.#bucket = bucket;
    this.#reader = reader;
  }

  /** The name of the S3 object for the bytes of a revision. */
  nameOf(key: string, revision: string): string {
    return largeName(this.#bucket, this.#bucket.nameOf(key), revision);
  }

  /** Publishes the bytes under their own name. @returns the command that publishes the pointer. */
  async complete(
    command: CompleteMultipartUploadCommand,
    options: { readonly abortSignal: AbortSignal },
    { key, size, revision, params, trailer }: LargeObject,
  ): Promise<PutObjectCommand> {
    try {
      await this.#bucket.client.send(command, options);
    } catch (error) {
      // If an answer was lost, the SDK repeats the request. The server then does not know the upload.
      if ((await this.#bucket.head(this.nameOf(key, revision))) === undefined) throw error;
    }
    // The tags of two pointers must differ: conditions of writes name them. A trailer has the revision.
    const Body = trailer.length > 0 ? trailer : revision;
    const Metadata = pointerMetadata(params.Metadata ?? {}, size);
    return new PutObjectCommand({ ...params, Key: this.#bucket.nameOf(key), Metadata, Body });
  }

  /** Removes bytes that no pointer names any more. Never rejects: a sweep removes the rest. */
  async remove(large: string | undefined): Promise<void> {
    if (large === undefined) return;
    try {
      await this.#bucket.delete(large);
    } catch (error) {
      if (!SnapshotError.is(error)) throw error;
    }
  }

  /** Searches for leftovers of crashes, at most once a day. Never rejects: the next write tries again. */
  async sweep(): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted || elapsedSince(this.#sweptAt) < SWEEP_INTERVAL) return;
    this.#sweptAt = now();
    try {
      const date = await this.#claim(signal);
      if (date === undefined) return;
      for await (const page of this.#bucket.contents(largeFolder(this.#bucket), signal)) {
        for (const { name, modifiedAt } of page) {
          if (date - modifiedAt > MIN_AGE && !(await this.#isPointedTo(name, signal)))
            await this.#bucket.delete(name);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#sweptAt = LONG_AGO;
      const detail = inspect(error);
      process.emitWarning('S3Store failed to remove leftovers of large snapshots', { detail });
    }
  }

  /** Ends the search for leftovers. Idempotent. */
  close(): void {
    this.#closing.abort();
  }

  /** @returns the server's date, if no other process has searched today. */
  async #claim(signal: AbortSignal): Promise<number | undefined> {
    const { client, name: Bucket, prefix } = this.#bucket;
    const Key = prefix + SWEPT;
    const last = await this.#bucket.head(Key, signal);
    const date = last?.date ?? Date.now();
    if (date - (last?.modifiedAt ?? LONG_AGO) < SWEEP_INTERVAL) return undefined;
    const claim = new PutObjectCommand({ Bucket, Key, Body: '-' });
    await answerOf(client.send(claim, { abortSignal: signal }), claim, signal);
    return date;
  }

  async #isPointedTo(large: string, signal: AbortSignal): Promise<boolean> {
    const found = await this.#reader.find(pointerName(this.#bucket, large), undefined, signal);
    return found?.large === large;
  }
}
