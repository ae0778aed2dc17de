import {
  type CompleteMultipartUploadCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { SnapshotError } from '../../errors.js';
import type { S3Bucket } from './bucket.js';
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
/** An object without bytes. Its date tells when leftovers were last searched for. */
const SWEPT = '!large-swept';

/**
 * Writes and removes the bytes of objects that have pointers: see `large-objects.ts`. Bytes without
 * a pointer, which a crash leaves, are removed by a search once a day.
 */
export class LargeWrites {
  readonly #bucket: S3Bucket;
  readonly #reader: ObjectReader;
  #sweptAt = Number.NEGATIVE_INFINITY;

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
    { key, size, params }: { key: string; size: number; params: PutObjectCommandInput },
  ): Promise<PutObjectCommand> {
    await this.#bucket.client.send(command, options);
    // The body makes the tags of two pointers differ: conditions of writes name them.
    const Body = command.input.Key ?? '';
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
    if (Date.now() - this.#sweptAt < SWEEP_INTERVAL) return;
    this.#sweptAt = Date.now();
    try {
      const date = await this.#claim();
      if (date === undefined) return;
      for await (const page of this.#bucket.contents(largeFolder(this.#bucket))) {
        for (const { name, modifiedAt } of page) {
          if (date - modifiedAt > MIN_AGE && !(await this.#isPointedTo(name)))
            await this.#bucket.delete(name);
        }
      }
    } catch (error) {
      if (!SnapshotError.is(error)) throw error;
      this.#sweptAt = Number.NEGATIVE_INFINITY;
    }
  }

  /** @returns the server's date, if no other process has searched today. */
  async #claim(): Promise<number | undefined> {
    const { client, name: Bucket, prefix } = this.#bucket;
    const Key = prefix + SWEPT;
    const last = await this.#bucket.head(Key);
    const date = last?.date ?? Date.now();
    if (date - (last?.modifiedAt ?? Number.NEGATIVE_INFINITY) < SWEEP_INTERVAL) return undefined;
    await client.send(new PutObjectCommand({ Bucket, Key, Body: '' }));
    return date;
  }

  async #isPointedTo(large: string): Promise<boolean> {
    const found = await this.#reader.find(pointerName(this.#bucket, large));
    return found?.large === large;
  }
}
