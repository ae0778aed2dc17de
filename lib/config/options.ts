import type { z } from 'zod';
import { checkOptions } from '../check-options.js';
import { SnapshotError } from '../errors.js';
import type { RouterOptions, SnapshotOptions } from './router-options.js';
import {
  type freshnessSchema,
  type hostSchema,
  routerSchema,
  serviceSchema,
  snapshotOptionsSchema,
} from './schema.js';
import type { ServiceOptions } from './service-options.js';

// A config is checked options with every default in place, deeply frozen.

export type ServiceConfig = z.output<typeof serviceSchema>;
export type RouterConfig = z.output<typeof routerSchema>;
export type SnapshotConfig = z.output<typeof snapshotOptionsSchema>;
export type HostConfig = z.output<typeof hostSchema>;
export type FreshnessPolicy = z.output<typeof freshnessSchema>;
export type Timeouts = ServiceConfig['timeouts'];

/** The limits of work on packs and checkouts, for a worker thread. */
export type WorkLimits = ServiceConfig['limits'] &
  Pick<ServiceConfig['concurrency'], 'indexThreads'> &
  Pick<ServiceConfig['budgets'], 'deltaCacheBytes'>;

/**
 * Checks the options of a router with a service of its own, and fills in the defaults.
 *
 * @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong.
 */
export function parseOptions(options: SnapshotOptions): SnapshotConfig {
  const config = checkOptions(snapshotOptionsSchema, options);
  checkStoreBudget(options);
  checkOffload(options, options.store === undefined || options.store.getFile !== undefined);
  return config;
}

/**
 * As `parseOptions`, for a service without HTTP.
 *
 * @throws SnapshotError `INVALID_OPTIONS`, also for options that have no effect there.
 */
export function parseServiceOptions(options: ServiceOptions): ServiceConfig {
  const config = checkOptions(serviceSchema, options);
  checkStoreBudget(options);
  return config;
}

/** As `parseOptions`, for a router of an existing service. */
export function parseRouterOptions(
  options: RouterOptions,
  { hasFiles }: { readonly hasFiles: boolean },
): RouterConfig {
  const config = checkOptions(routerSchema, options);
  checkOffload(options, hasFiles);
  return config;
}

export function workLimits({ limits, concurrency, budgets }: ServiceConfig): WorkLimits {
  const { indexThreads } = concurrency;
  return { ...limits, indexThreads, deltaCacheBytes: budgets.deltaCacheBytes };
}

function checkStoreBudget({ store, budgets }: ServiceOptions): void {
  if (store === undefined || budgets?.maxStoreBytes === undefined) return;
  const message = 'budgets.maxStoreBytes: limits the default store only; give your store its limit';
  throw new SnapshotError('INVALID_OPTIONS', `invalid options: ${message}`);
}

function checkOffload({ offload }: RouterOptions, hasFiles: boolean): void {
  if (offload === undefined || hasFiles) return;
  const message = 'offload: the store has no files that a web server can send';
  throw new SnapshotError('INVALID_OPTIONS', `invalid options: ${message}`);
}
