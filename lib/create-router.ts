import type { Router } from 'express';
import { parseOptions, parseServiceOptions } from './config/options.js';
import type { SnapshotOptions } from './config/router-options.js';
import type { ServiceOptions } from './config/service-options.js';
import { createRouter } from './http/router.js';
import { type CloseOptions, SnapshotService } from './service/service.js';

/** An Express router, and the service behind it. */
export interface SnapshotRouter extends Router {
  /** The service without HTTP. */
  readonly service: SnapshotService;
  /** Ends all work and releases everything. The host app calls it to shut down. Idempotent. */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * Makes the service without a router, for host apps that have their own endpoints, or no HTTP.
 *
 * @throws SnapshotError `INVALID_OPTIONS`
 */
export function createSnapshotService(options: ServiceOptions): SnapshotService {
  return new SnapshotService(parseServiceOptions(options));
}

/**
 * Makes a router that serves `{host}/{path}/snapshot.tar.zst`, `snapshot.bundle` and `ensure-refs`
 * below its mount: `app.use('/git', createSnapshotRouter({ dataDir, hosts }))`.
 *
 * @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong.
 */
export function createSnapshotRouter(options: SnapshotOptions): SnapshotRouter {
  const config = parseOptions(options);
  const service = new SnapshotService(config);
  const router = createRouter(service, config);
  return Object.assign(router, { service, close: (how?: CloseOptions) => service.close(how) });
}
