import { z } from 'zod';
import { checkOptions, methods } from '../../check-options.js';
import type { Logger } from '../../config/options.js';

/** Receives pushes: the service of a router. */
export interface PushListener {
  /**
   * Called after a push to the repository with this clone URL. Checks a known repository in the background.
   *
   * @returns whether the repository is known.
   */
  pushed(url: string): boolean | Promise<boolean>;
}

const secret = z.string().min(1, 'must not be empty');

const schema = z.strictObject({
  /** The secret or signing token that the git host has; several while a new one replaces an old one. */
  secret: z
    .union([secret.transform((one) => [one]), z.array(secret).min(1, 'must have a secret')])
    .pipe(z.array(secret)),
  /** Gets each push. */
  service: methods<PushListener>(['pushed'], 'the service of a router'),
  /** Gets failures that need the operator. Default: `console`. */
  logger: methods<Logger>(['warn', 'error'], 'a logger').optional(),
});

/** What `createWebhookHandler` takes. */
export type WebhookOptions = z.input<typeof schema>;
export type WebhookConfig = z.output<typeof schema>;

/** @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong. */
export function parseWebhookOptions(options: WebhookOptions): WebhookConfig {
  return checkOptions(schema, options);
}
