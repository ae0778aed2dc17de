import type { Authorize } from './authorize.js';
import type { Logger } from './logger.js';
import type { ServiceOptions } from './service-options.js';

/** The options of a router: those that concern HTTP. */
export interface RouterOptions {
  /**
   * Called for each request, after its address and query were checked. Anything but `true` is
   * refused, with 403 or with the denial that it returns. `req.params` has the parameters of the
   * mount, such as `/tenants/:tenant`. Risk: nothing else keeps clients from repositories that your
   * `credentials` can read. It covers HTTP only, not the service.
   *
   * @default none: every client can read every repository of the allowed hosts
   */
  readonly authorize?: Authorize | undefined;
  /**
   * Redirects git itself, which requests `{mount}/{host}/{path}/info/refs`, to the host's
   * `originUrl`. So `url.{mount}/{host}/.insteadOf` also works for clones and pulls. Without it,
   * such requests go to the host app.
   *
   * @default false
   */
  readonly redirectGit?: boolean | undefined;
  /**
   * Milliseconds without a byte taken by a client. Then its connection is cut.
   *
   * @default 5 * 60_000
   */
  readonly clientIdleTimeout?: number | undefined;
  /**
   * Gets failed requests: 503 as `warn`, other statuses from 500 on as `error`.
   *
   * @default none: silent
   */
  readonly logger?: Logger | undefined;
}

/** The options of a router that makes a service of its own. */
export type SnapshotOptions = ServiceOptions & RouterOptions;
