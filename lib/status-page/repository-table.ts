import pLimit from 'p-limit';
import { unlessAborted } from '../async/abort.js';
import { elapsedSince, now, type Time } from '../async/clock.js';
import { SingleFlight } from '../async/single-flight.js';
import { toSnapshotError } from '../errors.js';
import { checkRepository, type RepositoryId, repositoryKey } from '../repository.js';
import type { RepositoryStatus } from '../service/service-status.js';
import type { Activity } from './activity.js';
import { failureOf } from './failure.js';
import type { RepositoryRow, RowFailure } from './messages.js';
import { isKnown, rowOf, unknownStatus } from './row.js';
import type { ShownService } from './schema.js';

/** Milliseconds after which all repositories are listed again: other processes change them, too. */
const LISTING_AGE = 60_000;
/** A listing that takes long is used for this many times as long. */
const LISTING_PART = 20;
/**
 * Milliseconds for which a repository that only failed is shown, such as one that could not be
 * cloned: the service does not list it, and clients can make up names.
 */
const FAILURE_AGE = 60 * 60_000;
/** Statuses that are read again at once; if more changed, all are listed. */
const MAX_OUTDATED = 500;
const CONCURRENT_READS = 8;
/** Milliseconds for which a request waits for statuses. */
const PATIENCE = 2_000;
/** Rows that are made before other work gets its turn. */
const ROWS_AT_ONCE = 500;

/**
 * The last known status of each repository. Asks the service only while somebody looks at the page:
 * for the list of all at most once a minute, and in between for those that had an event.
 */
export class RepositoryTable {
  readonly #service: ShownService;
  readonly #activity: Activity;
  readonly #closing: AbortSignal;
  readonly #flight = new SingleFlight<void>();
  #statuses = new Map<string, RepositoryStatus>();
  /** Those that had an event since their status was read. */
  #outdated = new Map<string, RepositoryId>();
  /** Those whose status was read since the last list began. */
  readonly #readMeanwhile = new Map<string, RepositoryId>();
  #listed: { readonly at: Time; readonly date: number; readonly tookMs: number } | undefined;
  #failure: RowFailure | undefined;

  constructor(service: ShownService, activity: Activity, closing: AbortSignal) {
    this.#service = service;
    this.#activity = activity;
    this.#closing = closing;
  }

  get listedAt(): number | undefined {
    return this.#listed?.date;
  }

  /** Why the last attempt to list the repositories failed. */
  get failure(): RowFailure | undefined {
    return this.#failure;
  }

  /** Whether the repositories have to be listed again. */
  get isDue(): boolean {
    if (this.#listed === undefined || this.#outdated.size > MAX_OUTDATED) return true;
    const { at, tookMs } = this.#listed;
    return elapsedSince(at) > Math.max(LISTING_AGE, tookMs * LISTING_PART);
  }

  /** The status of a repository has changed. */
  outdate(repository: RepositoryId): void {
    // Beyond the limit, all are listed again: there is no need to know which ones.
    if (this.#outdated.size <= MAX_OUTDATED) {
      this.#outdated.set(repositoryKey(repository), repository);
    }
  }

  /** Lists all repositories. A failure is kept for the page; it never rejects. */
  async list(): Promise<void> {
    await this.#flight.join('list', async () => {
      const at = now();
      this.#outdated.clear();
      this.#readMeanwhile.clear();
      try {
        const all = await this.#service.listRepositories({ signal: this.#closing });
        this.#statuses = new Map(all.map((each) => [repositoryKey(each.repository), each]));
        this.#addFailed();
        // The list may have an older status of these.
        for (const each of this.#readMeanwhile.values()) this.outdate(each);
        this.#failure = undefined;
      } catch (error) {
        this.#failure = failureOf(toSnapshotError(error), 'listing', Date.now());
      }
      this.#listed = { at, date: Date.now(), tookMs: elapsedSince(at) };
    });
  }

  /** Reads the statuses that have changed. Never rejects: what can't be read stays as it was. */
  async reread(): Promise<void> {
    await this.#flight.joinNext('reread', async () => {
      const repositories = [...this.#outdated.values()];
      this.#outdated.clear();
      const limit = pLimit(CONCURRENT_READS);
      await Promise.all(repositories.map((each) => limit(() => this.#read(each))));
    });
  }

  /** Waits a moment for what is not read yet: a page that opens should not be empty at first. */
  async settledSoon(): Promise<void> {
    const reading = this.#listed === undefined ? this.list() : this.reread();
    await unlessAborted(reading, AbortSignal.timeout(PATIENCE)).catch(() => {});
  }

  /** The rows of these repositories, without those that the service does not know any more. */
  async rows(names: Iterable<string> = this.#statuses.keys()): Promise<RepositoryRow[]> {
    const statuses = this.#statuses;
    const running = this.#activity.running();
    const rows: RepositoryRow[] = [];
    for (const name of names) {
      const status = statuses.get(name);
      if (status === undefined) continue;
      rows.push(rowOf(status, this.#activity.countsOf(name), running.get(name)));
      if (rows.length % ROWS_AT_ONCE === 0) await new Promise(setImmediate);
    }
    return rows;
  }

  /** Drops all statuses: nobody looks at the page. */
  forget(): void {
    this.#statuses = new Map();
    this.#outdated.clear();
    this.#listed = undefined;
  }

  /** Adds the repositories that the service does not list because their first clone failed. */
  #addFailed(): void {
    for (const name of this.#activity.failedSince(Date.now() - FAILURE_AGE)) {
      if (!this.#statuses.has(name)) {
        this.#statuses.set(name, unknownStatus(checkRepository(name)));
      }
    }
  }

  async #read(repository: RepositoryId): Promise<void> {
    const name = repositoryKey(repository);
    if (this.#flight.running('list') !== undefined) this.#readMeanwhile.set(name, repository);
    try {
      const status = await this.#service.status(repository, { signal: this.#closing });
      if (isKnown(status) || this.#hasFailed(name)) this.#statuses.set(name, status);
      else this.#statuses.delete(name);
    } catch (error) {
      // The row stays as it was, except for the failure.
      const before = this.#statuses.get(name) ?? unknownStatus(repository);
      this.#statuses.set(name, { ...before, error: toSnapshotError(error, repository) });
    }
  }

  #hasFailed(name: string): boolean {
    return this.#activity.countsOf(name).failure !== undefined;
  }
}
