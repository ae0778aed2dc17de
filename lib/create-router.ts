import type { Router } from 'express';
import { z } from 'zod';
import type { SignalOptions } from './async/signal-options.js';
import { checkOptions, methods } from './check-options.js';
import { parseOptions, parseRouterOptions, type RouterConfig } from './config/options.js';
import type { RouterOptions, SnapshotOptions } from './config/router-options.js';
import { SnapshotEmitter, type SnapshotEventSource } from './events/emitter.js';
import type { RouterEvents } from './events/router-events.js';
import { createRouter } from './http/router.js';
import { ArtifactService } from './service/service.js';
import type { HealthOptions, ServiceHealth } from './service/service-health.js';
import type { CloseOptions, SnapshotService } from './service/snapshot-service.js';

/** An Express router, and the service behind it. `await using` closes the router. */
export interface SnapshotRouter extends Router, AsyncDisposable {
  /** The service without HTTP. */
  readonly service: SnapshotService;
  /** Reports the requests that this router answers. The events of the work are those of the service. */
  readonly events: SnapshotEventSource<RouterEvents>;
  /**
   * Resolves when the service has started: as `service.ready`.
   *
   * @throws SnapshotError the failure of the start.
   */
  ready(options?: SignalOptions): Promise<void>;
  /** As `service.health`. */
  health(options?: HealthOptions): Promise<ServiceHealth>;
  /**
   * Closes the service if the router made it: ends all work, and releases threads, files and
   * sockets. A service that you passed in stays open. Idempotent.
   */
  close(options?: CloseOptions): Promise<void>;
}

/** The options of a router for an existing service. */
export interface MountOptions extends RouterOptions {
  /** Stays open when the router closes. */
  readonly service: SnapshotService;
}

/** The methods that the router calls. */
const serviceSchema = methods<SnapshotService>(
  [
    'ready',
    'resolve',
    'originUrl',
    'headCommit',
    'get',
    'statStored',
    'openStored',
    'getDownloadUrl',
    'getFile',
    'isHead',
    'ensureRefs',
  ],
  'a SnapshotService',
);

/**
 * Makes a service, and a router that serves `{host}/{path}/snapshot.tar.zst`, `snapshot.bundle` and
 * `ensure-refs` below its mount: `app.use('/git', createSnapshotRouter({ dataDir, hosts }))`.
 *
 * @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong.
 */
export function createSnapshotRouter(options: SnapshotOptions): SnapshotRouter;
/**
 * Makes one more router for an existing service, for example for clients with other rights.
 *
 * @throws SnapshotError `INVALID_OPTIONS`
 */
export function createSnapshotRouter(options: MountOptions): SnapshotRouter;
export function createSnapshotRouter(options: SnapshotOptions | MountOptions): SnapshotRouter {
  if (isMount(options)) {
    const { service, ...rest } = options;
    checkOptions(z.object({ service: serviceSchema }), { service });
    return routerOver(service, parseRouterOptions(rest, service), async () => {});
  }
  const config = parseOptions(options);
  const service = new ArtifactService(config);
  return routerOver(service, config, (how) => service.close(how));
}

function isMount(options: SnapshotOptions | MountOptions): options is MountOptions {
  // JavaScript may pass any value.
  return typeof options === 'object' && options !== null && 'service' in options;
}

function routerOver(
  service: SnapshotService,
  config: RouterConfig,
  close: SnapshotRouter['close'],
): SnapshotRouter {
  const emitter = new SnapshotEmitter<RouterEvents>();
  const router = createRouter(service, config, emitter);
  const { source: events } = emitter;
  const ready: SnapshotRouter['ready'] = (how) => service.ready(how);
  const health: SnapshotRouter['health'] = (how) => service.health(how);
  return Object.assign(router, {
    service,
    events,
    ready,
    health,
    close,
    [Symbol.asyncDispose]: () => close(),
  });
}
