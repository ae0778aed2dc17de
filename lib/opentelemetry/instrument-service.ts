import { trace } from '@opentelemetry/api';
import type { EvictedEvent, MirrorEvictedEvent } from '../events/events.js';
import type { JobEndedEvent } from '../events/job-events.js';
import type { SnapshotService } from '../service/snapshot-service.js';
import { errorType, repositoryAttribute, typeOf } from './attributes.js';
import { Listeners } from './listeners.js';
import { Meters, SCOPE } from './meters.js';
import { observeStats } from './observe-stats.js';
import type { InstrumentOptions } from './options.js';
import { parseInstrumentOptions } from './schema.js';
import { traceJobs } from './trace-jobs.js';

/**
 * Measures the work of a service by its events, and reads `stats()` when the metrics are collected.
 * Makes a span of each job.
 *
 * @returns a function that ends this. Call it before you drop the service.
 * @throws SnapshotError `INVALID_OPTIONS`
 */
export function instrumentService(
  service: Pick<SnapshotService, 'events' | 'stats'>,
  options: InstrumentOptions = {},
): () => void {
  const config = parseInstrumentOptions(options);
  const meters = new Meters(config.meterProvider);
  const labelled = repositoryAttribute(config);
  const listeners = new Listeners(service.events);
  countServed(listeners, meters, labelled);
  countJobs(listeners, meters, labelled);
  countUpstreamRequests(listeners, meters);
  countRemovals(listeners, meters);
  const tracer = (config.tracerProvider ?? trace.getTracerProvider()).getTracer(SCOPE);
  const endSpans = traceJobs(listeners, tracer);
  const stopObserving = observeStats(service, meters);
  return () => {
    stopObserving();
    listeners.end();
    endSpans();
  };
}

type Labelled = ReturnType<typeof repositoryAttribute>;

function countServed(listeners: Listeners, meters: Meters, labelled: Labelled): void {
  const ages = meters.histogram('git_snapshot.served.age');
  listeners.on('hit', ({ repository, artifact, ageMs }) => {
    ages.record(ageMs / 1000, { ...typeOf(artifact), ...labelled(repository) });
  });
}

function countJobs(listeners: Listeners, meters: Meters, labelled: Labelled): void {
  const durations = meters.histogram('git_snapshot.job.duration');
  const queues = meters.histogram('git_snapshot.job.queue.duration');
  const packs = meters.counter('git_snapshot.pack.io');
  const objects = meters.counter('git_snapshot.pack.objects');
  const builds = meters.counter('git_snapshot.build.io');

  const countResults = (job: JobEndedEvent) => {
    if (job.error !== undefined) return;
    const about = labelled(job.repository);
    if (job.kind === 'build' && job.size !== undefined) {
      builds.add(job.size, { ...typeOf(job.artifact), ...about });
    }
    if (job.kind !== 'clone' && job.kind !== 'fetch') return;
    const of = { 'git_snapshot.job': job.kind, ...about };
    objects.add(job.objects, of);
    packs.add(job.packBytes, { ...of, 'git_snapshot.source': 'upstream' });
    if (job.kind === 'clone') {
      packs.add(job.seededBytes, { ...of, 'git_snapshot.source': 'store' });
    }
  };
  listeners.on('jobStarted', ({ kind, repository, queuedMs }) => {
    queues.record(queuedMs / 1000, { 'git_snapshot.job': kind, ...labelled(repository) });
  });
  listeners.on('jobEnded', (job) => {
    const { kind, repository, durationMs, error } = job;
    const about = { 'git_snapshot.job': kind, ...labelled(repository) };
    durations.record(durationMs / 1000, { ...about, ...errorType(error) });
    countResults(job);
  });
}

function countUpstreamRequests(listeners: Listeners, meters: Meters): void {
  const durations = meters.histogram('git_snapshot.upstream.request.duration');
  listeners.on('jobProgress', ({ progress }) => {
    if (progress.kind !== 'request') return;
    const { method, host, status, durationMs } = progress;
    const { hostname, port } = new URL(`http://${host}`);
    durations.record(durationMs / 1000, {
      'http.request.method': method,
      'server.address': hostname,
      ...(port !== '' && { 'server.port': Number(port) }),
      ...(status !== undefined && { 'http.response.status_code': status }),
      ...((status ?? 400) >= 400 && {
        'error.type': status === undefined ? '_OTHER' : `${status}`,
      }),
    });
  });
}

/** The events that tell of failures that no job and no request shows. */
const INCIDENTS = [
  'mirrorCorrupted',
  'mirrorSeedFailed',
  'evictionFailed',
  'repositoryForgotten',
] as const;
const MIRROR_REASONS = ['budget', 'removed'] as const satisfies MirrorEvictedEvent['reason'][];
const ARTIFACT_REASONS = [
  'budget',
  'variants',
  'deleted',
  'removed',
  'gone',
] as const satisfies EvictedEvent['reason'][];

/** Counts rare events. They begin with 0: Prometheus sees no increase in the first value. */
function countRemovals(listeners: Listeners, meters: Meters): void {
  const mirrors = meters.counter('git_snapshot.mirror.evictions');
  const artifacts = meters.counter('git_snapshot.artifact.evictions');
  const incidents = meters.counter('git_snapshot.incidents');
  for (const reason of MIRROR_REASONS) mirrors.add(0, { 'git_snapshot.reason': reason });
  for (const reason of ARTIFACT_REASONS) artifacts.add(0, { 'git_snapshot.reason': reason });
  listeners.on('mirrorEvicted', ({ reason }) => mirrors.add(1, { 'git_snapshot.reason': reason }));
  listeners.on('evicted', ({ reason }) => artifacts.add(1, { 'git_snapshot.reason': reason }));
  for (const name of INCIDENTS) {
    const about = { 'git_snapshot.event': name };
    incidents.add(0, about);
    listeners.on(name, () => incidents.add(1, about));
  }
}
