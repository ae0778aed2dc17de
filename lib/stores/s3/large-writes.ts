import { inspect } from 'node:util';
import {
  type CompleteMultipartUploadCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { elapsedSince, LONG_AGO, now } from '../../async/clock.js';
import { SnapshotError } from '../../errors.js';
import type { Bucket } from '../bucket/bucket.js';
import { largeFolder, pointedName, pointerMetadata, pointerName } from '../bucket/large-objects.js';
import type { StoredObject } from '../store.js';
import type { ProbedBucket } from './conditions-probe.js';
import { answerOf } from './failure.js';

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

interface LargeObject extends Pick<StoredObject, 'size' | 'revision'> {
  /** Of the bytes. */
  readonly name: string;
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
  readonly #bucket: Bucket;
  readonly #server: ProbedBucket;
  readonly #closing = new AbortController();
  #sweptAt = LONG_AGO;

  constructor(bucket: Bucket, server: ProbedBucket) {
    this.#bucket = bucket;
    this.#server = server;
  }

  /** Publishes the bytes under their own name. @returns the command that publishes the pointer. */
  async complete(
    command: CompleteMultipartUploadCommand,
    options: { readonly abortSignal: AbortSignal },
    { name, size, revision, params, trailer }: LargeObject,
  ): Promise<PutObjectCommand> {
    try {
      await this.#server.client.send(command, options);
    } catch (error) {
      // If an answer was lost, the SDK repeats the request. The server then does not know the upload.
      if ((await this.#bucket.head(name)) === undefined) throw error;
    }
    // The tags of two pointers must differ: conditions of writes name them. A trailer has the revision.
    const Body = trailer.length > 0 ? trailer : revision;
    const Metadata = pointerMetadata(params.Metadata ?? {}, { size, revision });
    return new PutObjectCommand({ ...params, Metadata, Body });
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

  /**
   * Removes the bytes of a write that has failed, unless the pointer was written all the same: an
   * answer may have been lost. Never rejects.
   */
  async removeUnless(large: string | undefined, name: string): Promise<void> {
    if (large === undefined) return;
    try {
      const head = await this.#bucket.head(name);
      if (head === undefined || pointedName(this.#bucket, name, head) !== large)
        await this.#bucket.delete(large);
    } catch (error) {
      if (!SnapshotError.is(error)) throw error; // a sweep removes the rest
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
    const { client, bucket: Bucket, prefix } = this.#server;
    const Key = prefix + SWEPT;
    const last = await this.#bucket.head(Key, signal);
    const date = last?.date ?? Date.now();
    const sweptAt = last?.modifiedAt ?? 0;
    if (date - sweptAt < SWEEP_INTERVAL) return undefined;
    const claim = new PutObjectCommand({ Bucket, Key, Body: '-' });
    await answerOf(client.send(claim, { abortSignal: signal }), signal);
    return date;
  }

  async #isPointedTo(large: string, signal: AbortSignal): Promise<boolean> {
    const name = pointerName(this.#bucket, large);
    const head = await this.#bucket.head(name, signal);
    return head !== undefined && pointedName(this.#bucket, name, head) === large;
  }
}
