import {
  context,
  type Span,
  type SpanContext,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { artifactKey } from '../artifact/key.js';
import { recentlyUsed } from '../async/recently-used.js';
import type { JobStartedEvent } from '../events/job-events.js';
import { repositoryKey } from '../repository.js';
import { errorType, typeOf } from './attributes.js';
import type { Listeners } from './listeners.js';

/** Builds whose beginners are remembered. */
const MAX_BUILDS = 10_000;

/** The span of a job that runs, and that of its phase. */
interface Running {
  readonly span: Span;
  phase: { readonly name: string; readonly span: Span } | undefined;
}

/** The phases of a clone or fetch, by the progress that begins them. */
const PHASES = { receiving: 'receive', resolving: 'resolve' } as const;

/**
 * Makes spans of jobs, and of the phases of clones and fetches. A job's parent is the span of the
 * request that has begun it: the events are emitted in the async context of this request. A request
 * that joins a running build gets a link to the span of the request that has begun the build.
 *
 * @returns a function that ends the spans of running jobs. Call it after the listeners have ended.
 */
export function traceJobs(listeners: Listeners, tracer: Tracer): () => void {
  const running = new Map<string, Running>();
  /** By the key of an artifact: the span of the request, or the job, that has begun its build. */
  const beginners = recentlyUsed<string, SpanContext>(MAX_BUILDS);

  const enterPhase = (job: Running, name: string) => {
    if (job.phase?.name === name) return;
    job.phase?.span.end();
    const span = tracer.startSpan(name, {}, trace.setSpan(context.active(), job.span));
    job.phase = { name, span };
  };

  listeners.on('miss', ({ artifact, coalesced }) => {
    const span = trace.getActiveSpan();
    const key = artifactKey(artifact);
    if (span === undefined) return;
    const beginner = beginners.get(key);
    if (!coalesced) beginners.set(key, span.spanContext());
    else if (beginner !== undefined) span.addLink({ context: beginner });
  });
  listeners.on('jobStarted', (job) => {
    const span = tracer.startSpan(job.kind, { attributes: attributesOf(job) });
    const started: Running = { span, phase: undefined };
    running.set(job.id, started);
    if (job.kind === 'clone' || job.kind === 'fetch') enterPhase(started, 'negotiate');
    if (job.kind !== 'build') return;
    const key = artifactKey(job.artifact);
    if (!beginners.has(key)) beginners.set(key, span.spanContext());
  });
  listeners.on('jobProgress', ({ id, progress }) => {
    const job = running.get(id);
    if (job !== undefined && progress.kind === 'pack') enterPhase(job, PHASES[progress.phase]);
  });
  listeners.on('jobEnded', (job) => {
    const { id, error } = job;
    const ended = running.get(id);
    if (ended === undefined) return;
    running.delete(id);
    if (job.kind === 'build') beginners.delete(artifactKey(job.artifact));
    if (error !== undefined) {
      ended.span.setAttributes(errorType(error));
      ended.span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    }
    end(ended);
  });
  return () => {
    for (const job of running.values()) end(job);
    running.clear();
  };
}

function end({ span, phase }: Running): void {
  phase?.span.end();
  span.end();
}

function attributesOf({ repository, artifact, queuedMs }: JobStartedEvent) {
  return {
    'git_snapshot.repository': repositoryKey(repository),
    'git_snapshot.queue.duration': queuedMs / 1000,
    ...(artifact && typeOf(artifact)),
  };
}
