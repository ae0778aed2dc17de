import { unlessAborted } from '../async/abort.js';
import type { ServiceConfig } from '../config/options.js';
import type { ServiceParts } from './parts.js';

/** Milliseconds for which `close` waits for all ended work: a store or lock may ignore its signal. */
const CLOSING_TIME = 30_000;

/**
 * Waits until the work of all parts has ended, after their signals have aborted. Then closes the
 * store and the locks, unless the host app has made them: it closes its own.
 *
 * @param started the start, which may still run.
 */
export async function releaseParts(
  { builds, mirrors, writer, checks, refresher, removal, health, store, locks }: ServiceParts,
  config: Pick<ServiceConfig, 'store' | 'locks'>,
  started: () => Promise<void>,
): Promise<void> {
  const late = AbortSignal.timeout(CLOSING_TIME);
  const ended = async (...work: Promise<unknown>[]) => {
    await unlessAborted(Promise.all(work), late).catch((error: unknown) => {
      if (error !== late.reason) throw error;
    });
  };
  await ended(builds.settled());
  await ended(mirrors.close(), writer.close());
  await ended(checks.settled(), refresher.settled());
  await ended(removal.settled(), health.settled());
  await ended(Promise.allSettled([started()]));
  if (late.aborted) {
    process.emitWarning('the service is closed, but a store or locks have not ended their calls');
  }
  if (config.store === undefined) await store.close?.();
  if (config.locks === undefined) await locks.close?.();
}
