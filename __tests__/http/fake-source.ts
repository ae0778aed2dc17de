import { Readable } from 'node:stream';
import { type RepositoryId, repositoryKey } from '../../lib/repository/identity.js';
import type {
  ArtifactSource,
  EnsuredRefs,
  GeneratedArtifact,
  GetOptions,
  OpenArtifactOptions,
  OpenedArtifact,
  StoredArtifact,
} from '../../lib/snapshot/artifact.js';

export interface FakeObject {
  bytes: Buffer;
  etag: string;
  commit?: string | undefined;
  storedAt?: number;
}

export interface FakeGeneration {
  body: Readable;
  etag?: string;
  commit?: string | undefined;
}

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';
export const STORED_AT = Date.UTC(2024, 1, 29, 12, 30, 15, 678);

/** A `ArtifactSource` in memory, which tells what it was asked and does what a test makes it do. */
export class FakeSource implements ArtifactSource {
  /** The methods called so far, in order. */
  readonly calls: string[] = [];
  readonly signals: AbortSignal[] = [];
  /** Every body handed out, for tests to see what became of it. */
  readonly bodies: Readable[] = [];
  /** Makes what is not stored. Default: fails the test's request with an `INTERNAL` error. */
  generate: (
    repository: RepositoryId,
    signal: AbortSignal | undefined,
  ) => FakeGeneration | Promise<FakeGeneration> = () => {
    throw new Error('nothing was expected to be generated');
  };
  /** Runs before each `open`, as another process would between `stat` and `open`. */
  beforeOpen: (repository: RepositoryId) => void = () => {};
  /** Replaces the bodies of stored snapshots. */
  read: (bytes: Buffer) => Readable = (bytes) =>
    Readable.from(slices(bytes), { objectMode: false });
  readonly #objects = new Map<string, StoredArtifact & { bytes: Buffer }>();
  #revisions = 0;

  store(repository: RepositoryId, object: FakeObject): void {
    const { bytes, etag, storedAt = STORED_AT } = object;
    const commit = 'commit' in object ? object.commit : COMMIT;
    const revision = `r${++this.#revisions}`;
    const size = bytes.length;
    const stored = { repository, etag, commit, size, storedAt, revision, bytes };
    this.#objects.set(repositoryKey(repository), stored);
  }

  drop(repository: RepositoryId): void {
    this.#objects.delete(repositoryKey(repository));
  }

  async stat(repository: RepositoryId, options?: GetOptions): Promise<StoredArtifact | undefined> {
    this.#note('stat', options);
    return this.#objects.get(repositoryKey(repository));
  }

  async open(
    repository: RepositoryId,
    options: OpenArtifactOptions = {},
  ): Promise<OpenedArtifact | undefined> {
    this.#note('open', options);
    this.beforeOpen(repository);
    const stored = this.#objects.get(repositoryKey(repository));
    const { revision = stored?.revision, range } = options;
    if (stored === undefined || stored.revision !== revision) return undefined;
    const bytes = range ? stored.bytes.subarray(range.start, range.end + 1) : stored.bytes;
    return { ...stored, source: 'store', body: this.#lend(this.read(bytes)) };
  }

  async get(
    repository: RepositoryId,
    options?: GetOptions,
  ): Promise<OpenedArtifact | GeneratedArtifact> {
    this.#note('get', options);
    const stored = this.#objects.get(repositoryKey(repository));
    if (stored !== undefined) {
      return { ...stored, source: 'store', body: this.#lend(this.read(stored.bytes)) };
    }
    const generation = await this.generate(repository, options?.signal);
    const { body, etag = '"generated"' } = generation;
    const commit = 'commit' in generation ? generation.commit : COMMIT;
    return { repository, etag, commit, source: 'generation', body: this.#lend(body) };
  }

  current(repository: RepositoryId, options?: GetOptions): Promise<StoredArtifact | undefined> {
    return this.stat(repository, options);
  }

  isUpToDate(): Promise<boolean> {
    throw new Error('not expected');
  }

  ensureRefs(): Promise<EnsuredRefs> {
    throw new Error('not expected');
  }

  headOf(): string | undefined {
    return undefined;
  }

  #note(call: string, options: GetOptions | undefined): void {
    this.calls.push(call);
    if (options?.signal) this.signals.push(options.signal);
  }

  #lend(body: Readable): Readable {
    this.bodies.push(body);
    return body;
  }
}

function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 256) yield bytes.subarray(at, at + 256);
}
