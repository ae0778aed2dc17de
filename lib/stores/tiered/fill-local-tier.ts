import type { Readable } from 'node:stream';
import { unlessAborted } from '../../async/abort.js';
import { orLater } from '../../async/deadline.js';
import { withResolvers } from '../../async/with-resolvers.js';
import { SnapshotError } from '../../errors.js';
import { withErrorListener } from '../body.js';
import type { Slice } from '../range.js';
import { RecyclingBody } from '../recycling-body.js';
import type { ByteRange, OpenOptions, StoredObject } from '../store.js';
import type { BestEffortWrite } from './best-effort-write.js';
import type { CircuitBreaker } from './circuit-breaker.js';
import { toStoreError, unlessStalled } from './idle-timeout.js';
import type { LocalCopies } from './local-copies.js';
import { ReadDuringFill } from './read-during-fill.js';

export interface LocalTierFillParts {
  readonly shared: CircuitBreaker;
  readonly local: LocalCopies;
  /** Milliseconds. */
  readonly idleTimeout: number;
}

/**
 * Fills the local tier: copies one revision of a shared object while any number of clients read it. The
 * fill belongs to the store: it goes on at its own pace if the clients are slow, or leave.
 */
export class LocalTierFill {
  readonly object: StoredObject;
  /** Resolves when the fill has ended, successfully or not. */
  readonly over: Promise<void>;
  readonly #parts: LocalTierFillParts;
  readonly #readers = new Set<ReadDuringFill>();
  readonly #ending = new AbortController();
  /** `undefined` if the shared tier does not have this revision. */
  readonly #body: Promise<Readable | undefined>;
  /** The revision of the local copy; `undefined` if the copy has failed, or probably will. */
  readonly #copied = withResolvers<string | undefined>();
  #isDecided = false;
  /** How many bytes of the object the readers got. */
  #position = 0;
  #isPumping = true;

  constructor(object: StoredObject, parts: LocalTierFillParts) {
    this.object = object;
    this.#parts = parts;
    if (!parts.local.hasRoomFor(object.size)) this.#decide(undefined);
    this.#body = this.#openShared({ signal: this.#ending.signal });
    this.over = this.#copy();
  }

  /** Opens a slice; `undefined` if the shared tier does not have this revision. */
  async open(slice: Slice, signal: AbortSignal | undefined): Promise<Readable | undefined> {
    const reader: ReadDuringFill = new ReadDuringFill({
      slice,
      openRest: (range, stopped) => this.#openRest(range, stopped),
      idleTimeout: this.#parts.idleTimeout,
      onClose: () => this.#readers.delete(reader),
    });
    this.#readers.add(reader);
    if (this.#isDecided || !this.#isPumping || slice.start < this.#position) reader.fallBehind();
    const isThere = async () =>
      (await this.#body) !== undefined && (!this.#isDecided || (await reader.prepare()));
    let body: Readable | undefined;
    try {
      if (await unlessAborted(isThere(), signal)) {
        body = new RecyclingBody(reader, slice.stop - slice.start, signal);
      }
      return body;
    } finally {
      if (body === undefined) {
        reader.stop();
        void reader.close();
      }
    }
  }

  /** Ends the fill; the local tier keeps nothing. Idempotent. */
  abort(reason: SnapshotError): void {
    this.#ending.abort(reason);
  }

  async #copy(): Promise<void> {
    const body = await this.#body;
    if (body === undefined) return;
    const { shared, local, idleTimeout } = this.#parts;
    const { key, revision } = this.object;
    const copy = local.write(key, this.object, this.object);
    try {
      await this.#pump(body, copy);
    } catch (error) {
      await copy.abort();
      const { signal } = this.#ending;
      const failure = signal.aborted ? signal.reason : toStoreError(error);
      for (const reader of this.#readers) reader.fail(failure);
      this.#decide(undefined);
      if (!signal.aborted) shared.recordReadFailure(key, revision, failure);
      return;
    } finally {
      body.destroy();
      this.#isPumping = false;
      for (const reader of this.#readers) reader.fallBehind();
    }
    if (copy.hasEnded) {
      this.#decide(undefined);
      void this.#prepareReaders();
      return;
    }
    await local.replace(
      key,
      () => copy.finish(),
      async (kept) => {
        this.#decide(kept);
        const prepared = this.#prepareReaders();
        // A reader that hangs delays the others no longer than this.
        if (kept !== undefined) await orLater(prepared, idleTimeout);
      },
    );
  }

  /** Returns early if the copy fails: each reader then reads on from the shared tier. */
  async #pump(body: Readable, copy: BestEffortWrite): Promise<void> {
    const chunks: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
    while (!copy.hasEnded) {
      const next = unlessStalled(this.#parts.idleTimeout, chunks.next());
      const { done, value } = await unlessAborted(next, this.#ending.signal);
      if (done) {
        if (this.#position === this.object.size)
          return this.#parts.shared.recordReadSuccess(this.object);
        const message = `${this.#position} bytes came: too few or too many`;
        throw new SnapshotError('STORE_FAILED', message);
      }
      await copy.write(value);
      for (const reader of this.#readers) reader.feed(value, this.#position);
      this.#position += value.length;
    }
  }

  /** Decides from where slow readers get the rest. Only the first decision counts. */
  #decide(revision: string | undefined): void {
    this.#isDecided = true;
    this.#copied.resolve(revision);
  }

  async #prepareReaders(): Promise<void> {
    await Promise.all([...this.#readers].map((reader) => reader.prepare()));
  }

  /** Opens the rest for a reader that fell behind: in the copy, or else in the shared tier. */
  async #openRest(range: ByteRange, signal: AbortSignal): Promise<Readable> {
    const revision = await unlessAborted(this.#copied.promise, signal);
    const { local } = this.#parts;
    const { key } = this.object;
    const copy =
      revision === undefined ? undefined : await local.open(key, { range, revision, signal });
    const body = withErrorListener(copy)?.body ?? (await this.#openShared({ range, signal }));
    if (body !== undefined) return body;
    throw new SnapshotError('STORE_FAILED', 'what was being read is gone');
  }

  async #openShared(options: OpenOptions): Promise<Readable | undefined> {
    const { key, revision } = this.object;
    const opened = await this.#parts.shared
      .open(key, { ...options, revision })
      .catch(() => undefined);
    return opened?.body;
  }
}
