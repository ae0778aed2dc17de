import assert from 'node:assert/strict';
import { createCipheriv, createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  CreateOptions,
  Metadata,
  ObjectWriter,
  OpenedObject,
  OpenOptions,
  SnapshotStore,
  StoreAbilities,
  StoredObject,
} from '../stores/store.js';

/** A store for one test, made by the factory. */
export interface StoreUnderTest {
  /** An empty store with room for 32 MiB. */
  readonly store: SnapshotStore;
  /** Makes another instance on the same data. Needed if the store is persistent. */
  readonly reopen?: (() => SnapshotStore | Promise<SnapshotStore>) | undefined;
  /**
   * Makes another instance, on the same or other data, with a budget of `maxBytes`. Needed to test
   * how a store with ranks makes room. A store without a budget leaves it out.
   */
  readonly withBudget?: ((maxBytes: number) => SnapshotStore | Promise<SnapshotStore>) | undefined;
  /** Removes the data. `store.close()` has been called. */
  readonly cleanup?: (() => unknown) | undefined;
}

/** Makes cases that only stores with an ability have to meet. With others they do nothing. */
export const ifDeclared =
  (ability: keyof StoreAbilities) =>
  (run: (store: SnapshotStore, subject: StoreUnderTest) => Promise<void>) =>
  async (subject: StoreUnderTest): Promise<void> => {
    if (subject.store.abilities[ability] === true) await run(subject.store, subject);
  };

/** Bytes: more than streams and stores are likely to buffer of an object that is being read. */
export const LARGE = 4 * 1024 * 1024;

/** Bytes made from the seed. They never repeat, so that a test sees every misplaced part. */
export function contentOf(seed: string, length = 1000): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

export async function put(
  store: SnapshotStore,
  key: string,
  content: Uint8Array,
  metadata: Metadata = {},
  options: CreateOptions = {},
): Promise<StoredObject> {
  const writer = await store.create(key, metadata, options);
  if (content.length > 0) await writer.write(content);
  return writer.commit();
}

/** Begins to write the object `key`; its bytes are those of `contentOf(seed)`. */
export async function beginToWrite(
  store: SnapshotStore,
  seed: string,
  options: CreateOptions = {},
): Promise<ObjectWriter> {
  const writer = await store.create('key', {}, options);
  await writer.write(contentOf(seed));
  return writer;
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
  const { key, size, revision, storedAt, metadata, expendable } = object;
  return { key, size, revision, storedAt, metadata: { ...metadata }, expendable };
}
