import type { Request } from 'express';
import type { Logger } from '../config/logger.js';
import type { SnapshotService } from '../service/snapshot-service.js';
import type { StatusPageAction } from './messages.js';

export type { StatusPageAction };

/** A snapshot router, or any object with a service. */
export interface ShownSnapshots {
  readonly service: Pick<
    SnapshotService,
    | 'events'
    | 'resolve'
    | 'refresh'
    | 'purge'
    | 'status'
    | 'listRepositories'
    | 'stats'
    | 'diskUsage'
  >;
}

/** The options of `createStatusPage`. */
export interface StatusPageOptions {
  /**
   * What visitors may do: `['refresh', 'remove']`, or a function of the request that returns that.
   * `refresh` checks the upstream and builds; `remove` deletes the mirror and all snapshots of a
   * repository. Risk: the page has no login of its own. Mount it behind that of your app.
   *
   * @default none: the page only shows
   */
  readonly actions?:
    | readonly StatusPageAction[]
    | ((req: Request) => readonly StatusPageAction[] | Promise<readonly StatusPageAction[]>)
    | undefined;
  /**
   * The URL at which the snapshots' router is mounted, for the commands that the page shows. A
   * relative URL is relative to that of the page.
   *
   * @default `'/git'`
   */
  readonly snapshotsUrl?: string | undefined;
  /**
   * How many visitors get live updates at once. Each one takes a connection. Further pages ask every
   * few seconds.
   *
   * @default 50
   */
  readonly maxStreams?: number | undefined;
  /**
   * Gets failures of requests for the page, and actions that visitors begin; `false`: nothing is logged.
   *
   * @default `console`
   */
  readonly logger?: Logger | false | undefined;
}
