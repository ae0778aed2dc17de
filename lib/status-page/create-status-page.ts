import { setMaxListeners } from 'node:events';
import { Router } from 'express';
import { checkOptions } from '../check-options.js';
import { logTo } from '../config/logger.js';
import { SnapshotError, toSnapshotError } from '../errors.js';
import { failureFields } from '../events/log-failures.js';
import { Actions } from './actions.js';
import { Activity } from './activity.js';
import { createAnswer } from './answer-request.js';
import { Assets } from './assets.js';
import { LiveUpdates } from './live-updates.js';
import type { ShownSnapshots, StatusPageOptions } from './options.js';
import { OverviewSource } from './overview.js';
import { RepositoryTable } from './repository-table.js';
import { shownSchema, statusPageSchema } from './schema.js';

/** An Express router with the status page. `await using` closes it. */
export interface StatusPage extends Router, AsyncDisposable {
  /**
   * Ends the live updates, whose connections keep your server from closing, and the listening to the
   * service. The service stays open. Idempotent.
   */
  close(): Promise<void>;
}

/**
 * Makes a router that shows the state of a service to people:
 * `app.use('/status', requireAdmin, createStatusPage(snapshots))`. It has no login of its own.
 *
 * @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong.
 */
export function createStatusPage(
  snapshots: ShownSnapshots,
  options: StatusPageOptions = {},
): StatusPage {
  const { service } = checkOptions(shownSchema, { service: snapshots?.service });
  const config = checkOptions(statusPageSchema, options, 'createStatusPage');
  const assets = new Assets();
  const closing = new AbortController();
  const { signal } = closing;
  // All calls of the service listen to it. Without this, Node would warn of a leak.
  setMaxListeners(0, signal);
  const activity = new Activity(service.events, {
    statusChanged(repository) {
      table.outdate(repository);
      live.rowChanged(repository);
      live.overviewChanged();
    },
    countsChanged: (repository) => live.rowChanged(repository),
    jobsChanged: () => live.overviewChanged(),
  });
  const table = new RepositoryTable(service, activity, signal);
  const overview = new OverviewSource(service, activity, signal, () => live.overviewChanged());
  const log = logTo(config.logger);
  const report = (error: unknown) =>
    log.error('status page failed', failureFields(toSnapshotError(error)));
  const live = new LiveUpdates({ table, overview, maxStreams: config.maxStreams, report });
  const actions = new Actions(service, activity, signal);
  const router = Router({ mergeParams: true });
  router.use(createAnswer({ service, config, assets, table, overview, live, actions, signal }));

  async function close(): Promise<void> {
    if (signal.aborted) return;
    activity.end();
    live.close();
    closing.abort(new SnapshotError('CLOSED', 'the status page was closed'));
  }
  return Object.assign(router, { close, [Symbol.asyncDispose]: close });
}
