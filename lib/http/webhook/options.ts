import type { Logger } from '../../config/logger.js';

/** Receives pushes, as a service does. */
export interface PushListener {
  /** Reports a push to the repository with this clone URL. @returns whether it is known. */
  notifyPush(url: string): boolean | Promise<boolean>;
}

/** The options of `createWebhookHandler`. */
export interface WebhookOptions {
  /**
   * The secret or signing token that you gave to the git host; an array while one replaces another.
   */
  readonly secret: string | readonly string[];
  /** The service of a router, or any object with `notifyPush`, which is called for each push. */
  readonly service: PushListener;
  /**
   * Gets failures, and deliveries whose body was parsed too early; `false`: nothing is logged.
   *
   * @default `console`
   */
  readonly logger?: Logger | false | undefined;
}
