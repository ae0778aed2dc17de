import { SpanStatusCode, trace } from '@opentelemetry/api';
import { SnapshotError } from '../errors.js';
import type { LockRegistry } from '../locks/registry.js';
import { errorType } from './attributes.js';
import { measured } from './measured.js';
import { Meters, SCOPE } from './meters.js';
import type { InstrumentOptions } from './options.js';
import { parseInstrumentOptions } from './schema.js';

/**
 * Locks that measure each call of other locks, and the locks that are lost. Makes a span of each
 * wait for a lock. They have `ready` if the other locks have it.
 *
 * @throws SnapshotError `INVALID_OPTIONS`
 */
export function instrumentLocks(
  locks: LockRegistry,
  options: InstrumentOptions = {},
): LockRegistry {
  const { meterProvider, tracerProvider } = parseInstrumentOptions(options);
  const meters = new Meters(meterProvider);
  const durations = meters.histogram('git_snapshot.lock.operation.duration');
  const losses = meters.counter('git_snapshot.lock.lost');
  // Prometheus sees no increase in the first value.
  losses.add(0);
  const tracer = (tracerProvider ?? trace.getTracerProvider()).getTracer(SCOPE);
  const record = (operation: string, seconds: number, error: unknown) =>
    durations.record(seconds, { 'git_snapshot.operation': operation, ...errorType(error) });

  return {
    get degradation() {
      return locks.degradation;
    },
    async acquire(key, acquireOptions) {
      const span = tracer.startSpan('lock', { attributes: { 'git_snapshot.lock.key': key } });
      const lock = await measured(
        () => locks.acquire(key, acquireOptions),
        (seconds, error) => {
          record('acquire', seconds, error);
          span.setAttributes(errorType(error));
          if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      );
      const onLost = () => {
        // A registry that is closed gives up its locks.
        if (!SnapshotError.is(lock.signal.reason, 'CLOSED')) losses.add(1);
      };
      lock.signal.addEventListener('abort', onLost, { once: true });
      return {
        signal: lock.signal,
        async release() {
          lock.signal.removeEventListener('abort', onLost);
          await measured(
            () => lock.release(),
            (seconds, error) => record('release', seconds, error),
          );
        },
      };
    },
    ...(locks.ready && { ready: async () => locks.ready?.() }),
    async close() {
      await locks.close?.();
    },
  };
}
