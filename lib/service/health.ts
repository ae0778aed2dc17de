import { randomUUID } from 'node:crypto';
import { defaultSnapshot } from '../artifact/id.js';
import { artifactKey } from '../artifact/key.js';
import { elapsedSince } from '../async/clock.js';
import { orLater } from '../async/deadline.js';
import { type Answer, Probe } from '../async/probe.js';
import { type SnapshotError, toSnapshotError } from '../errors.js';
import { type DiskSpace, diskSpace } from '../fs/free-space.js';
import { acquireLock, releaseLock } from '../locks/host-lock.js';
import type { ArtifactWriter } from './artifact-writer.js';
import type { BaseParts } from './context.js';
import type {
  HealthCheck,
  HealthChecks,
  HealthOptions,
  HealthStatus,
  ServiceHealth,
} from './service-health.js';

/** Milliseconds. Probes of orchestrators wait for a second by default. */
const DEFAULT_TIMEOUT = 500;
/** Threads that did not start, one after another, after which no thread will. */
const MAX_FAILED_STARTS = 3;
/** The disk is nearly full below this part of it, and below these bytes. */
const FEW_PART = 1 / 20;
const FEW_BYTES = 10 * 2 ** 30;
const FEW_FILES = 100;

/** Nothing is stored under it. */
const STORE_KEY = artifactKey(defaultSnapshot({ host: '', path: '' }));

export interface HealthParts
  extends Pick<
    BaseParts,
    'config' | 'started' | 'stopping' | 'closing' | 'store' | 'locks' | 'mirrors'
  > {
  readonly writer: Pick<ArtifactWriter, 'failedStarts'>;
}

/**
 * Tells how a service is. It asks the store, the locks and the disk, at most once in a few seconds
 * and only when a caller wants to know; it never asks an upstream.
 */
export class Health {
  readonly #parts: HealthParts;
  readonly #start: Probe<void>;
  readonly #store: Probe<void>;
  readonly #locks: Probe<void>;
  readonly #disk: Probe<DiskSpace>;

  constructor(parts: HealthParts) {
    const { config, started, store, locks, closing } = parts;
    const lockKey = `health ${randomUUID()}`;
    this.#parts = parts;
    // A failed start is repeated by this call: without clients, nothing else would repeat it.
    this.#start = new Probe(started, closing);
    this.#store = new Probe(async (signal) => {
      await store.stat(STORE_KEY, { signal });
    }, closing);
    this.#locks = new Probe(
      async (signal) => await releaseLock(await acquireLock(locks, lockKey, signal)),
      closing,
    );
    this.#disk = new Probe(() => diskSpace(config.dataDir), closing);
  }

  /** Never rejects. */
  async report({ timeout = DEFAULT_TIMEOUT }: HealthOptions = {}): Promise<ServiceHealth> {
    const probes = [this.#start, this.#store, this.#locks, this.#disk];
    const answered = Promise.all(probes.map((probe) => probe.refresh()));
    if (timeout > 0) await orLater(answered, timeout);
    const checks = this.#checks();
    const statuses = Object.values(checks)
      .flat()
      .map(({ status }) => status);
    const status = worst(statuses);
    const hasThreads = worst(checks['threads:failedStarts'].map((each) => each.status)) !== 'fail';
    const live = hasThreads && !this.#parts.closing.aborted;
    return { status, live, ready: status !== 'fail', checks };
  }

  /** Resolves when no question is under way. */
  async settled(): Promise<void> {
    const probes = [this.#start, this.#store, this.#locks, this.#disk];
    await Promise.all(probes.map((probe) => probe.settled()));
  }

  #checks(): HealthChecks {
    const { store, locks, mirrors, writer } = this.#parts;
    const failedStarts = Math.max(mirrors.failedStarts, writer.failedStarts);
    return {
      'service:state': [this.#state()],
      'threads:failedStarts': [threads(failedStarts)],
      'store:responseTime': [
        response('datastore', 'The store', this.#store.last, store.degradation),
      ],
      'locks:responseTime': [
        response('component', 'The lock registry', this.#locks.last, locks.degradation),
      ],
      'disk:free': [disk(this.#disk.last)],
      'upstream:outage': mirrors.outages.map(({ host, since, failedAt, code }) => ({
        status: 'warn',
        componentType: 'component',
        componentId: host,
        observedValue: Math.round(elapsedSince(since.time) / 1000),
        observedUnit: 's',
        time: timeOf(failedAt.date),
        output: 'The host has failed at each attempt.',
        code,
      })),
    };
  }

  #state(): HealthCheck {
    const { stopping, closing } = this.#parts;
    const { last } = this.#start;
    const check = (output?: string, code?: SnapshotError['code']): HealthCheck => ({
      status: output === undefined ? 'pass' : 'fail',
      componentType: 'component',
      time: timeOf(Date.now()),
      ...(output !== undefined && { output }),
      ...(code !== undefined && { code }),
    });
    if (closing.aborted) return check('The service is closed.', 'CLOSED');
    if (stopping.aborted) return check('The service is closing.', 'CLOSED');
    if (last?.kind === 'value') return check();
    if (last?.kind !== 'error') return check('The service is starting.');
    return check(
      'The service could not start; its log says why.',
      toSnapshotError(last.error).code,
    );
  }
}

function threads(failedStarts: number): HealthCheck {
  const failed: HealthStatus = failedStarts < MAX_FAILED_STARTS ? 'warn' : 'fail';
  return {
    status: failedStarts === 0 ? 'pass' : failed,
    componentType: 'component',
    observedValue: failedStarts,
    observedUnit: 'threads',
    time: timeOf(Date.now()),
    ...(failedStarts > 0 && { output: 'Worker threads end before they have started.' }),
  };
}

/** @param degradation why it works only in part, if it does. */
function response(
  componentType: HealthCheck['componentType'],
  name: string,
  last: Answer<void> | undefined,
  degradation: SnapshotError | undefined,
): HealthCheck {
  if (last === undefined) return notKnown(componentType);
  const about = { componentType, time: timeOf(last.date) } as const;
  if (last.kind === 'late') {
    const output = `${name} has not answered for ${Math.round(last.durationMs / 1000)} seconds.`;
    return { status: 'fail', ...about, output };
  }
  const observed = { observedValue: Math.round(last.durationMs), observedUnit: 'ms' } as const;
  if (last.kind === 'error') {
    const { code } = toSnapshotError(last.error);
    return { status: 'fail', ...about, ...observed, output: `${name} failed.`, code };
  }
  if (degradation === undefined) return { status: 'pass', ...about, ...observed };
  const output = `${name} works only in part.`;
  // A store or registry of the host app may give any error.
  const { code } = toSnapshotError(degradation);
  return { status: 'warn', ...about, ...observed, output, code };
}

function disk(last: Answer<DiskSpace> | undefined): HealthCheck {
  const componentType = 'system';
  if (last === undefined) return notKnown(componentType);
  const about = { componentType, time: timeOf(last.date) } as const;
  if (last.kind !== 'value') {
    return { status: 'warn', ...about, output: 'The disk does not tell how much of it is free.' };
  }
  const { freeBytes, totalBytes, freeFiles } = last.value;
  const isFull = freeBytes < Math.min(totalBytes * FEW_PART, FEW_BYTES) || freeFiles < FEW_FILES;
  return {
    status: isFull ? 'warn' : 'pass',
    ...about,
    ...(Number.isFinite(freeBytes) && { observedValue: freeBytes, observedUnit: 'bytes' }),
    ...(isFull && { output: 'The disk is nearly full.' }),
  };
}

function notKnown(componentType: HealthCheck['componentType']): HealthCheck {
  const output = 'There was no answer yet.';
  return { status: 'warn', componentType, time: timeOf(Date.now()), output };
}

function worst(statuses: readonly HealthStatus[]): HealthStatus {
  if (statuses.includes('fail')) return 'fail';
  return statuses.includes('warn') ? 'warn' : 'pass';
}

function timeOf(date: number): string {
  return new Date(date).toISOString();
}
