import { type RequestHandler, type Response, Router } from 'express';
import { SnapshotError, toSnapshotError } from '../errors.js';
import type { HealthChecks, HealthStatus } from '../service/service-health.js';
import type { SnapshotService } from '../service/snapshot-service.js';
import { sendProblem, sendProblemOrBreak } from './problem.js';

/** The service of a router, a router, or any object with `health`. */
export type HealthSource = Pick<SnapshotService, 'health'>;

interface Report {
  readonly status: HealthStatus;
  readonly checks: Partial<HealthChecks>;
}

/**
 * Makes an Express router for the probes of orchestrators and load balancers: `GET /live` and
 * `GET /ready` answer 200 or 503 and `application/health+json`, and all other paths are left to the
 * host app. It asks for no credentials: mount it where only the probes can reach it.
 *
 * - `/live`: 503 if only a new process helps.
 * - `/ready`: 503 if the service can't serve clients at the moment.
 *
 * @throws SnapshotError `INVALID_OPTIONS` unless `source` has `health`.
 */
export function createHealthRouter(source: HealthSource): Router {
  // JavaScript may pass any value. A router is a function.
  if (typeof source?.health !== 'function') {
    const message =
      'createHealthRouter needs a service, a snapshot router, or an object with health';
    throw new SnapshotError('INVALID_OPTIONS', message);
  }

  const live = answer(async () => {
    // A store that hangs must not delay this answer: a new process would not help.
    const { live: isLive, checks } = await source.health({ timeout: 0 });
    if (isLive) return { status: 'pass', checks: {} };
    const { 'service:state': state, 'threads:failedStarts': threads } = checks;
    return { status: 'fail', checks: { 'service:state': state, 'threads:failedStarts': threads } };
  });
  const ready = answer(async () => {
    const { status, checks } = await source.health();
    return { status, checks };
  });
  return Router().all('/live', live).all('/ready', ready);
}

function answer(report: () => Promise<Report>): RequestHandler {
  // Never rejects: Express 4 ignores the promise of a handler.
  return async ({ method }, res) => {
    try {
      if (method !== 'GET' && method !== 'HEAD') {
        const error = new SnapshotError('METHOD_NOT_ALLOWED', 'health is read');
        return sendProblem(res, error, { Allow: 'GET, HEAD' });
      }
      send(res, await report());
    } catch (error) {
      // A service of the host app's own may reject.
      sendProblemOrBreak(res, toSnapshotError(error), 503);
    }
  };
}

function send(res: Response, report: Report): void {
  const body = JSON.stringify(report);
  res.writeHead(report.status === 'fail' ? 503 : 200, {
    'Content-Type': 'application/health+json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  res.end(body);
}
