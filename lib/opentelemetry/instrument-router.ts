import { trace } from '@opentelemetry/api';
import type { SnapshotEventSource } from '../events/emitter.js';
import type { RequestEndedEvent, RouterEvents } from '../events/router-events.js';
import { repositoryKey } from '../repository.js';
import { errorType, repositoryAttribute, requestedType } from './attributes.js';
import { Meters } from './meters.js';
import type { InstrumentOptions } from './options.js';
import { parseInstrumentOptions } from './schema.js';

/**
 * Measures the requests that a router answers: how many, their outcomes and times, and the bytes that
 * clients get. Adds the outcome to the span of the request, which the app's instrumentation of HTTP
 * has made.
 *
 * @returns a function that ends this.
 * @throws SnapshotError `INVALID_OPTIONS`
 */
export function instrumentRouter(
  { events }: { readonly events: SnapshotEventSource<RouterEvents> },
  options: InstrumentOptions = {},
): () => void {
  const config = parseInstrumentOptions(options);
  const meters = new Meters(config.meterProvider);
  const labelled = repositoryAttribute(config);
  const durations = meters.histogram('git_snapshot.request.duration');
  const firstBytes = meters.histogram('git_snapshot.request.time_to_first_byte');
  const io = meters.counter('git_snapshot.response.io');

  const onEnd = (request: RequestEndedEvent) => {
    const { repository, requested, outcome, error, bytes, firstByteMs, durationMs } = request;
    const about = {
      ...(requested && requestedType(requested)),
      'git_snapshot.outcome': outcome,
      ...labelled(repository),
    };
    const failed = error === undefined ? about : { ...about, ...errorType(error) };
    durations.record(durationMs / 1000, failed);
    if (firstByteMs !== undefined) firstBytes.record(firstByteMs / 1000, about);
    if (bytes > 0) io.add(bytes, about);
    const name = repository && { 'git_snapshot.repository': repositoryKey(repository) };
    trace.getActiveSpan()?.setAttributes({ ...failed, ...name });
  };
  events.on('requestEnded', onEnd);
  return () => events.off('requestEnded', onEnd);
}
