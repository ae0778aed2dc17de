import { elapsedSince, LONG_AGO, now, type Time } from '../async/clock.js';
import { toSnapshotError } from '../errors.js';
import type { DiskUsage } from '../service/service-status.js';
import type { Activity } from './activity.js';
import { failureOf } from './failure.js';
import type { Overview, RowFailure } from './messages.js';
import type { ShownService } from './schema.js';

/** Jobs that the page shows. */
const MAX_JOBS = 50;
/** Milliseconds for which the usage of the disk is not looked up again. */
const USAGE_AGE = 5_000;
/** A look-up that takes long counts for this many times as long. */
const USAGE_PART = 50;

/** Reads the state of the service at once. The usage of the disk is that of a few seconds ago. */
export class OverviewSource {
  readonly #service: ShownService;
  readonly #activity: Activity;
  readonly #closing: AbortSignal;
  readonly #onChange: () => void;
  readonly #since = Date.now();
  #usage: DiskUsage | undefined;
  #failure: RowFailure | undefined;
  #isReading = false;
  #readAt: Time = LONG_AGO;
  #usageAge = USAGE_AGE;

  /** @param onChange is called when the usage of the disk is known. */
  constructor(
    service: ShownService,
    activity: Activity,
    closing: AbortSignal,
    onChange: () => void,
  ) {
    this.#service = service;
    this.#activity = activity;
    this.#closing = closing;
    this.#onChange = onChange;
  }

  /** Cost: that of `stats()`. */
  read(): Overview {
    void this.#readUsage();
    const { repositories, mirrors, threads, ...loads } = this.#service.stats();
    const { clones, fetches, queries, repacks, builds } = loads;
    const { jobs } = this.#activity;
    return {
      now: Date.now(),
      since: this.#since,
      repositories,
      mirrors: mirrors.count,
      work: { clones, fetches, queries, repacks, builds },
      threads,
      mirrorUsage: this.#usage?.mirrors,
      storeUsage: this.#usage?.store,
      disk: this.#usage?.disk,
      usageFailure: this.#failure,
      jobs: jobs.slice(0, MAX_JOBS),
      jobCount: jobs.length,
    };
  }

  async #readUsage(): Promise<void> {
    if (this.#isReading || elapsedSince(this.#readAt) < this.#usageAge) return;
    this.#isReading = true;
    const since = now();
    try {
      this.#usage = await this.#service.diskUsage({ signal: this.#closing });
      this.#failure = undefined;
    } catch (error) {
      this.#usage = undefined;
      this.#failure = failureOf(toSnapshotError(error), 'diskUsage');
    } finally {
      this.#isReading = false;
      this.#readAt = now();
      this.#usageAge = Math.max(USAGE_AGE, elapsedSince(since) * USAGE_PART);
    }
    this.#onChange();
  }
}
