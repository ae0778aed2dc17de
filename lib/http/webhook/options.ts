import type { Logger } from '../../config/options.js';

/** Receives pushes: the service of a router. */
export interface PushListener {
  /** Takes a push to this clone URL: checks a known repository. @returns whether it is known. */
  notifyPush(url: string): boolean | Promise<boolean>;
}

/** The options of `createWebhookHandler`. */
export interface WebhookOptions {
  /**
   * The secret or signing token that the git host has. Give several while one replaces another.
   */
  readonly secret: string | readonly string[];
  /** Gets each push. */
  readonly service: PushListener;
  /**
   * Gets failures that need the operator.
   *
   * @default `console`
   */
  readonly logger?: Logger | undefined;
}
