import assert from 'node:assert/strict';
import { createCipheriv, createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PushedBody } from '../stores/pushed-body.js';
import type {
  Metadata,
  OpenedObject,
  OpenOptions,
  PutOptions,
  SnapshotStore,
  StoredObject,
} from '../stores/store.js';

/** A store for one test, made by the factory. */
export interface StoreUnderTest {
  /** An empty store with room for 32 MiB. */
  readonly store: SnapshotStore;
  /** Makes another instance on the same data, if objects outlive the process. */
  readonly reopen?: (() => SnapshotStore | Promise<SnapshotStore>) | undefined;
  /**
   * Makes another instance, on the same or other data, with a budget of `maxBytes`. A store without
   * priorities, or without a budget, leaves it out.
   */
  readonly withBudget?: ((maxBytes: number) => SnapshotStore | Promise<SnapshotStore>) | undefined;
  /**
   * Bytes of an object that the store writes in several requests, such as the parts of an upload to
   * S3. Then all tests of conditions are repeated with objects of this size. At most 6 MiB. Default:
   * the store writes all objects in the same way.
   */
  readonly bytesInParts?: number | undefined;
  /** Removes the data. `store.close()` has been called. */
  readonly cleanup?: (() => unknown) | undefined;
}

/** Bytes: more than streams and stores are likely to buffer of an object that is being read. */
export const LARGE = 4 * 1024 * 1024;

/** Bytes made from the seed. They never repeat, so that a test sees every misplaced part. */
export function contentOf(seed: string, length = 1000): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

export function put(
  store: SnapshotStore,
  key: string,
  content: Uint8Array,
  metadata: Metadata = {},
  options: PutOptions = {},
): Promise<StoredObject> {
  return store.put(key, bodyOf(content), { ...options, metadata });
}

/** A body of these chunks. */
export async function* bodyOf(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** A write whose bytes come one by one. */
export interface SlowPut {
  /** Resolves when the store asks for the next chunk. */
  write(chunk: Uint8Array): Promise<void>;
  finish(): Promise<StoredObject>;
  /** Makes the body fail. Resolves when the write has failed. */
  fail(): Promise<void>;
}

export function beginPut(store: SnapshotStore, key: string, options: PutOptions = {}): SlowPut {
  const body = new PushedBody();
  const stored = store.put(key, body, options);
  stored.catch(() => {}); // the steps below reject
  return {
    write: async (chunk) => void (await Promise.race([body.push(chunk), stored])),
    finish: () => {
      body.end();
      return stored;
    },
    fail: async () => {
      const error = new Error('the body failed');
      body.fail(error);
      await assert.rejects(stored, (thrown) => thrown === error);
    },
  };
}

export async function mustOpen(
  store: SnapshotStore,
  key: string,
  options?: OpenOptions,
): Promise<OpenedObject> {
  const opened = await store.open(key, options);
  assert.ok(opened, `${JSON.stringify(key)} must be stored`);
  return opened;
}

export async function rest(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const read: Uint8Array[] = [];
  for await (const chunk of chunks) read.push(chunk);
  return Buffer.concat(read);
}

/** Opens an object and reads its first bytes. Returns a function that reads it to its end. */
export async function beginToRead(
  store: SnapshotStore,
  key: string,
  options?: OpenOptions,
): Promise<() => Promise<Buffer>> {
  const chunks = (await mustOpen(store, key, options)).body[Symbol.asyncIterator]();
  const first = await chunks.next();
  return async () => Buffer.concat([first.value, await rest(chunks)]);
}

/** Gives the path of a file that is missing, in a directory of its own. */
export async function withPath(run: (file: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'store-contract-'));
  try {
    await run(join(directory, 'file'));
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Asserts that the object, or its range, has exactly these bytes. */
export async function assertContent(
  store: SnapshotStore,
  key: string,
  expected: Uint8Array,
  options?: OpenOptions,
): Promise<void> {
  const { body } = await mustOpen(store, key, options);
  assertBytes(await rest(body), expected);
}

/** Unlike `deepEqual` it does not print megabytes. */
export function assertBytes(actual: Buffer, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length, 'bytes read');
  assert.ok(actual.equals(expected), 'the bytes read must be the bytes written');
}

/** Asserts that no method shows an object under the key. */
export async function assertMiss(store: SnapshotStore, key: string): Promise<void> {
  assert.equal(await store.stat(key), undefined, 'stat must answer undefined');
  assert.equal(await store.open(key), undefined, 'open must answer undefined');
  assert.ok(!(await listedKeys(store)).includes(key), 'list must not show the key');
}

export async function listedKeys(store: SnapshotStore, prefix?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix })) keys.push(key);
  return keys.sort();
}

/** The description alone, as a plain object that can be compared. */
export function descriptionOf(object: StoredObject | undefined): unknown {
  assert.ok(object, 'the object must be stored');
  const { key, size, revision, storedAt, metadata, priority } = object;
  return { key, size, revision, storedAt, metadata: { ...metadata }, priority };
}
