import type { Authorize } from './authorize.js';
import type { Logger } from './logger.js';
import type { ServiceOptions } from './service-options.js';

/** How a web server in front of the app is told to send a file. */
export type Offload = 'x-accel-redirect' | 'x-sendfile';

/** The options of a router, which apply to HTTP only. */
export interface RouterOptions {
  /**
   * Called for each request whose address and query are valid. Unless it returns `true`, the answer
   * is 403, or the denial that it returns. `req.params` has the parameters of the mount, such as
   * `/tenants/:tenant`. Risk: nothing else keeps clients from repositories that your `credentials`
   * can read. It applies to HTTP only, not to the service's own methods.
   *
   * @default none: every client can read every repository of the allowed hosts
   */
  readonly authorize?: Authorize | undefined;
  /**
   * Redirects git itself, which requests `{mount}/{host}/{path}/info/refs`, to the host's
   * `originUrl`. So `url.{mount}/{host}/.insteadOf` also works for clones and pulls. If `false`,
   * such requests go to the host app.
   *
   * @default false
   */
  readonly redirectGit?: boolean | undefined;
  /**
   * Milliseconds after which the connection of a client that takes no byte is cut.
   *
   * @default 5 * 60_000
   */
  readonly clientIdleTimeout?: number | undefined;
  /**
   * Leaves the bytes of stored artifacts to the web server in front of the app: the answer names a
   * file of the store, and the web server sends it. For nginx `x-accel-redirect`, for Apache with
   * mod_xsendfile `x-sendfile`. Needs a store with files. Risk: a client that reaches the app without
   * that web server gets an answer that breaks off.
   *
   * @default none: the app sends the bytes
   */
  readonly offload?: Offload | undefined;
  /**
   * Milliseconds after which a GET of a snapshot that is not ready begins its answer: from then on,
   * it sends a skippable zstd frame each time they pass, until the snapshot comes. So proxies that
   * cut silent answers let it wait. Risk: a failure after that breaks the connection instead of an
   * answer with a code. Bundles have no such frames.
   *
   * @default none: an answer begins with the snapshot
   */
  readonly keepAliveInterval?: number | undefined;
  /**
   * Gets failed requests: 503 as `warn`, other statuses from 500 on as `error`; `false`: nothing is
   * logged.
   *
   * @default `console`
   */
  readonly logger?: Logger | false | undefined;
}

/** The options of a router that makes a service of its own. */
export type SnapshotOptions = ServiceOptions & RouterOptions;
