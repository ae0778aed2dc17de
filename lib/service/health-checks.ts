import { elapsedSince } from '../async/clock.js';
import type { Answer } from '../async/probe.js';
import { type SnapshotError, toSnapshotError } from '../errors.js';
import type { DiskSpace } from '../fs/free-space.js';
import type { HostOutage } from '../upstream/host-outages.js';
import type { HealthCheck, HealthStatus } from './service-health.js';

// What the facts about a service mean for its health. No side effects.

/** Threads that did not start, one after another, after which no thread will. */
const MAX_FAILED_STARTS = 3;
/** The disk is nearly full below this part of it, and below these bytes. */
const FEW_PART = 1 / 20;
const FEW_BYTES = 10 * 2 ** 30;
const FEW_FILES = 100;

type ComponentType = HealthCheck['componentType'];

/** `fail` if one of them is, else `warn` if one of them is. */
export function worstOf(checks: readonly HealthCheck[]): HealthStatus {
  const has = (wanted: HealthStatus) => checks.some(({ status }) => status === wanted);
  if (has('fail')) return 'fail';
  return has('warn') ? 'warn' : 'pass';
}

/** @param why it can't serve; `undefined`: it can. */
export function stateCheck(
  why: { readonly output: string; readonly code?: SnapshotError['code'] } | undefined,
): HealthCheck {
  const status = why === undefined ? 'pass' : 'fail';
  return { status, componentType: 'component', time: timeOf(Date.now()), ...why };
}

/** @param failedStarts as `WorkerPool.failedStarts`. */
export function threadsCheck(failedStarts: number): HealthCheck {
  const failed = failedStarts < MAX_FAILED_STARTS ? 'warn' : 'fail';
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
export function responseCheck(
  componentType: ComponentType,
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
  // A store or registry of the host app may have any error.
  const { code } = toSnapshotError(degradation);
  return { status: 'warn', ...about, ...observed, output: `${name} works only in part.`, code };
}

export function diskCheck(last: Answer<DiskSpace> | undefined): HealthCheck {
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

export function outageCheck({ host, since, failedAt, code }: HostOutage): HealthCheck {
  return {
    status: 'warn',
    componentType: 'component',
    componentId: host,
    observedValue: Math.round(elapsedSince(since.time) / 1000),
    observedUnit: 's',
    time: timeOf(failedAt.date),
    output: 'The host has failed at each attempt.',
    code,
  };
}

function notKnown(componentType: ComponentType): HealthCheck {
  const output = 'There was no answer yet.';
  return { status: 'warn', componentType, time: timeOf(Date.now()), output };
}

function timeOf(date: number): string {
  return new Date(date).toISOString();
}
