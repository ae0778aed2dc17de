import { Readable } from 'node:stream';
import type {
  BuiltArtifact,
  EnsuredRefs,
  OpenedArtifact,
  OpenStoredOptions,
  StatStoredOptions,
  StoredArtifact,
  WantedRefs,
} from '../../lib/artifact/artifact.js';
import type { ArtifactId, BundleId } from '../../lib/artifact/id.js';
import { allowedRepository } from '../../lib/artifact/validate-id.js';
import type { SignalOptions } from '../../lib/async/signal-options.js';
import { type AllowList, originUrl } from '../../lib/config/hosts.js';
import { parseOptions } from '../../lib/config/options.js';
import { SnapshotEmitter } from '../../lib/events/emitter.js';
import { type RepositoryId, repositoryKey } from '../../lib/repository.js';
import type { SnapshotService } from '../../lib/service/snapshot-service.js';
import type { StoredFile } from '../../lib/stores/index.js';

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

/**
 * A service in memory, which records the calls that the router makes and whose answers a test can replace. All
 * other calls fail.
 */
export class FakeService implements SnapshotService {
  readonly events = new SnapshotEmitter().source;
  readonly hasDownloadUrls = false;
  hasFiles = false;
  /** Decides which repositories are allowed. Default: those of github.com. */
  allowList: AllowList = parseOptions({ dataDir: 'unused', hosts: ['github.com'] });
  /** The methods called so far, in order. */
  readonly calls: string[] = [];
  readonly signals: AbortSignal[] = [];
  /** Every body handed out, for tests to see what became of it. */
  readonly bodies: Readable[] = [];
  /** Builds an artifact that is not stored. Default: fails the request with an `INTERNAL` error. */
  build: (
    id: ArtifactId,
    signal: AbortSignal | undefined,
  ) => FakeGeneration | Promise<FakeGeneration> = () => {
    throw new Error('nothing was expected to be built');
  };
  /** Runs before each `openStored`, as another process would after `statStored`. */
  beforeOpen: (id: ArtifactId) => void = () => {};
  /** Whether `get`, and `statStored` with `revalidate`, may serve a stored artifact. */
  maySend: (id: ArtifactId) => boolean = () => true;
  /** Answers `isHead`. */
  upToDate: (id: BundleId) => boolean = () => false;
  /** Answers `ensureRefs`. Default: all wanted refs are at `COMMIT`, without a fetch. */
  ensure: (repository: RepositoryId, wanted: WantedRefs) => EnsuredRefs = (
    _repository,
    { refs },
  ) => ({
    refs: new Map(Array.from(refs.keys(), (name) => [name, COMMIT])),
    missingCommits: [],
    fetched: false,
  });
  /** The mirror's HEAD. */
  head: string | undefined;
  /** Replaces the bodies of stored artifacts. */
  read: (bytes: Buffer) => Readable = (bytes) =>
    Readable.from(slices(bytes), { objectMode: false });
  readonly #objects = new Map<string, StoredArtifact & { bytes: Buffer }>();
  #revisions = 0;

  store(id: ArtifactId, object: FakeObject): void {
    const { bytes, etag, storedAt = STORED_AT } = object;
    const commit = 'commit' in object ? object.commit : COMMIT;
    const revision = `r${++this.#revisions}`;
    const size = bytes.length;
    const { repository } = id;
    const about = { repository, etag, commit, size, storedAt, revision, metadata: {} };
    this.#objects.set(keyOf(id), { ...about, bytes });
  }

  drop(id: ArtifactId): void {
    this.#objects.delete(keyOf(id));
  }

  async statStored(
    id: ArtifactId,
    options: StatStoredOptions = {},
  ): Promise<StoredArtifact | undefined> {
    const { revalidate = false, etags } = options;
    const stored = this.#objects.get(keyOf(id));
    if (etags !== undefined) {
      this.#note('statStored etags', options);
      return stored !== undefined && etags.includes(stored.etag) ? stored : undefined;
    }
    this.#note(revalidate ? 'statStored revalidate' : 'statStored', options);
    return revalidate && !this.maySend(id) ? undefined : stored;
  }

  async openStored(
    id: ArtifactId,
    options: OpenStoredOptions = {},
  ): Promise<OpenedArtifact | undefined> {
    this.#note('openStored', options);
    this.beforeOpen(id);
    const stored = this.#objects.get(keyOf(id));
    const { revision = stored?.revision, range } = options;
    if (stored === undefined || stored.revision !== revision) return undefined;
    const bytes = range ? stored.bytes.subarray(range.start, range.end + 1) : stored.bytes;
    return { ...stored, source: 'store', outcome: 'hit', body: this.#lend(this.read(bytes)) };
  }

  async get(id: ArtifactId, options?: SignalOptions): Promise<OpenedArtifact | BuiltArtifact> {
    this.#note('get', options);
    const stored = this.maySend(id) ? this.#objects.get(keyOf(id)) : undefined;
    if (stored !== undefined) {
      return {
        ...stored,
        source: 'store',
        outcome: 'hit',
        body: this.#lend(this.read(stored.bytes)),
      };
    }
    const build = await this.build(id, options?.signal);
    const { body, etag = '"built"' } = build;
    const commit = 'commit' in build ? build.commit : COMMIT;
    const repository = id.repository;
    return { repository, etag, commit, source: 'build', outcome: 'miss', body: this.#lend(body) };
  }

  async isHead(id: BundleId, options?: SignalOptions): Promise<boolean> {
    this.#note('isHead', options);
    return this.upToDate(id);
  }

  async ensureRefs(
    repository: RepositoryId,
    wanted: WantedRefs,
    options?: SignalOptions,
  ): Promise<EnsuredRefs> {
    this.#note('ensureRefs', options);
    return this.ensure(repository, wanted);
  }

  async getFile(_id: ArtifactId, stored: StoredArtifact, options?: SignalOptions) {
    this.#note('getFile', options);
    return this.fileOf(stored);
  }

  resolve(repository: RepositoryId): RepositoryId {
    return allowedRepository(this.allowList, repository);
  }

  originUrl(repository: RepositoryId): string {
    return originUrl(this.allowList, repository);
  }

  headCommit(): string | undefined {
    return this.head;
  }

  readonly ready = unexpected;
  readonly getDownloadUrl = unexpected;
  /** Answers `getFile`. */
  fileOf: (stored: StoredArtifact) => StoredFile | undefined = () => undefined;
  readonly delete = unexpected;
  readonly refresh = unexpected;
  readonly warm = unexpected;
  readonly health = unexpected;
  readonly notifyPush = unexpected;
  readonly purge = unexpected;
  readonly status = unexpected;
  readonly listRepositories = unexpected;
  readonly diskUsage = unexpected;
  readonly close = unexpected;
  readonly [Symbol.asyncDispose] = unexpected;

  stats(): never {
    throw new Error('the router was not expected to ask for statistics');
  }

  #note(call: string, options: SignalOptions | undefined): void {
    this.calls.push(call);
    if (options?.signal) this.signals.push(options.signal);
  }

  #lend(body: Readable): Readable {
    this.bodies.push(body);
    return body;
  }
}

async function unexpected(): Promise<never> {
  throw new Error('the router was not expected to make this call');
}

function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 256) yield bytes.subarray(at, at + 256);
}

function keyOf(id: ArtifactId): string {
  const selection = id.kind === 'bundle' ? { base: id.base } : { ref: id.ref, depth: id.depth };
  return `${repositoryKey(id.repository)} ${JSON.stringify(selection)}`;
}
