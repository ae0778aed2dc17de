import { Readable } from 'node:stream';
import { MemoryStore } from '../../../lib/index.js';
import type {
  ListOptions,
  OpenedObject,
  OpenOptions,
  PutOptions,
  SnapshotStore,
  StoredObject,
} from '../../../lib/stores/index.js';

/** A store in memory that counts its calls, and fails as a test says. */
export class FaultyTier implements SnapshotStore {
  /** The store without failures, as another machine sees it. */
  readonly inner: MemoryStore;
  readonly writesConditionally: boolean;
  /** Its calls, by method. */
  state: 'up' | 'failing' | 'hanging' = 'up';
  readonly asked = { stat: 0, open: 0, put: 0, delete: 0, listReplaced: 0, list: 0 };
  /** Writes that were aborted. */
  aborts = 0;
  /** Called before an object is opened. */
  onOpen: () => Promise<unknown> = async () => {};
  /** Called before the first object is listed. */
  onList: (options: ListOptions) => Promise<unknown> = async () => {};
  /** Called after each object that is listed. */
  onListed: () => Promise<unknown> = async () => {};
  /** Called with the offset in the object of each MiB before it is given. */
  onRead: (offset: number) => Promise<unknown> = async () => {};

  constructor(maxBytes = 64 * MIB) {
    this.inner = new MemoryStore({ maxBytes });
    this.writesConditionally = this.inner.writesConditionally;
  }

  async stat(
    key: string,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<StoredObject | undefined> {
    await this.#ask('stat');
    return this.inner.stat(key, options);
  }

  async open(key: string, options: OpenOptions = {}): Promise<OpenedObject | undefined> {
    await this.#ask('open');
    await this.onOpen();
    const opened = await this.inner.open(key, options);
    if (opened === undefined) return undefined;
    const body = Readable.from(this.#pages(opened.body, options.range?.start ?? 0), {
      objectMode: false,
    });
    const { signal } = options;
    signal?.addEventListener('abort', () => body.destroy(signal.reason));
    return { ...opened, body };
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    options: PutOptions = {},
  ): Promise<StoredObject> {
    await this.#ask('put');
    let isOver = false;
    const abort = () => {
      if (!isOver) this.aborts += 1;
      isOver = true;
    };
    options.signal?.addEventListener('abort', abort);
    try {
      const stored = await this.inner.put(key, this.#troubled(body), options);
      isOver = true;
      return stored;
    } catch (error) {
      abort();
      throw error;
    }
  }

  async delete(key: string): Promise<void> {
    await this.#ask('delete');
    await this.inner.delete(key);
  }

  async listReplaced(
    key: string,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<StoredObject[]> {
    await this.#ask('listReplaced');
    return this.inner.listReplaced(key, options);
  }

  async *list(options: ListOptions = {}): AsyncGenerator<StoredObject> {
    await this.#ask('list');
    await this.onList(options);
    for await (const object of this.inner.list(options)) {
      yield object;
      await this.onListed();
      await this.#trouble();
    }
  }

  async *#troubled(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      await this.#trouble();
      yield chunk;
    }
    await this.#trouble();
  }

  async *#pages(body: Readable, start: number): AsyncGenerator<Buffer> {
    const content = Buffer.concat(await body.toArray());
    for (let offset = 0; offset < content.length; offset += MIB) {
      await this.onRead(start + offset);
      yield content.subarray(offset, offset + MIB);
    }
  }

  async #ask(what: keyof typeof this.asked): Promise<void> {
    this.asked[what] += 1;
    await this.#trouble();
  }

  async #trouble(): Promise<void> {
    if (this.state === 'failing') throw new Error('the bucket is gone');
    if (this.state === 'hanging') await new Promise(() => {});
  }
}

const MIB = 1024 * 1024;
