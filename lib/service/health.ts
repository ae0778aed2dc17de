import { randomUUID } from 'node:crypto';
import { PROBE_KEY } from '../artifact/key.js';
import { elapsedSince, now, type Time } from '../async/clock.js';
import { orLater } from '../async/deadline.js';
import { MAX_AGE, Probe } from '../async/probe.js';
import { toSnapshotError } from '../errors.js';
import { type DiskSpace, diskSpace } from '../fs/free-space.js';
import { acquireLock, releaseLock } from '../locks/host-lock.js';
import type { ArtifactWriter } from './artifact-writer.js';
import type { BaseParts } from './context.js';
import {
  diskCheck,
  outageCheck,
  responseCheck,
  stateCheck,
  threadsCheck,
  worstOf,
} from './health-checks.js';
import type { HealthCheck, HealthChecks, HealthOptions, ServiceHealth } from './service-health.js';

/** Milliseconds. Probes of orchestrators wait for a second by default. */
const DEFAULT_TIMEOUT = 500;

export interface HealthParts extends BaseParts {
  readonly writer: Pick<ArtifactWriter, 'failedStarts'>;
}

/**
 * Tells how a service is. It asks the store, the locks and the disk, at most once in a few seconds
 * and only when a caller wants to know. Everything else was noted where it happened: it asks no
 * upstream.
 */
export class Health {
  readonly #parts: HealthParts;
  readonly #store: Probe<void>;
  readonly #locks: Probe<void>;
  readonly #disk: Probe<DiskSpace>;
  #start: 'running' | 'done' | { readonly error: unknown; readonly at: Time } = 'running';
  /** Resolves when the attempt to start has ended. */
  #startEnded: Promise<void> = Promise.resolve();

  constructor(parts: HealthParts) {
    const { config, store, locks, closing } = parts;
    const lockKey = `health ${randomUUID()}`;
    this.#parts = parts;
    this.#store = new Probe(async (signal) => {
      await store.stat(PROBE_KEY, { signal });
    }, closing);
    this.#locks = new Probe(async (signal) => {
      await releaseLock(await acquireLock(locks, lockKey, signal));
    }, closing);
    this.#disk = new Probe(() => diskSpace(config.dataDir), closing);
  }

  /** Watches the start of the service, or makes one more attempt. */
  watchStart(): void {
    this.#start = 'running';
    this.#startEnded = this.#parts.started().then(
      () => {
        this.#start = 'done';
      },
      (error: unknown) => {
        this.#start = { error, at: now() };
      },
    );
  }

  /** As `SnapshotService.health`. */
  async report({ timeout = DEFAULT_TIMEOUT }: HealthOptions = {}): Promise<ServiceHealth> {
    this.#startAgain();
    const answers = this.#probes().map((probe) => probe.refresh());
    const answered = Promise.all([this.#startEnded, ...answers]);
    if (timeout > 0) await orLater(answered, timeout);
    const checks = this.#checks();
    const status = worstOf(Object.values(checks).flat());
    const hasThreads = worstOf(checks['threads:failedStarts']) !== 'fail';
    const live = hasThreads && !this.#parts.closing.aborted;
    return { status, live, ready: status !== 'fail', checks };
  }

  /** Resolves when no question is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#probes().map((probe) => probe.settled()));
  }

  /** While the service is not ready, no client makes it start again. */
  #startAgain(): void {
    if (typeof this.#start !== 'object' || this.#parts.closing.aborted) return;
    if (elapsedSince(this.#start.at) >= MAX_AGE) this.watchStart();
  }

  #probes(): Probe<unknown>[] {
    return [this.#store, this.#locks, this.#disk];
  }

  #checks(): HealthChecks {
    const { store, locks, mirrors, writer } = this.#parts;
    const storeCheck = responseCheck('datastore', 'The store', this.#store.last, store.degradation);
    const locksCheck = responseCheck(
      'component',
      'The lock registry',
      this.#locks.last,
      locks.degradation,
    );
    return {
      'service:state': [this.#state()],
      'threads:failedStarts': [threadsCheck(Math.max(mirrors.failedStarts, writer.failedStarts))],
      'store:responseTime': [storeCheck],
      'locks:responseTime': [locksCheck],
      'disk:free': [diskCheck(this.#disk.last)],
      'upstream:outage': mirrors.outages.map(outageCheck),
    };
  }

  #state(): HealthCheck {
    const { stopping, closing } = this.#parts;
    if (closing.aborted) return stateCheck({ output: 'The service is closed.', code: 'CLOSED' });
    if (stopping.aborted) return stateCheck({ output: 'The service is closing.', code: 'CLOSED' });
    if (this.#start === 'done') return stateCheck(undefined);
    if (this.#start === 'running') return stateCheck({ output: 'The service is starting.' });
    const { code } = toSnapshotError(this.#start.error);
    return stateCheck({ output: 'The service could not start; its log says why.', code });
  }
}
