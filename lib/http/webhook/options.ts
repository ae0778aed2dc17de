import { z } from 'zod';
import { checkOptions, methods } from '../../check-options.js';
import type { Logger } from '../../options.js';

/** What is told of pushes: the service of a router. */
export interface PushListener {
  /**
   * Told of a push to the repository with this clone URL. Checks it in the background, if it is known,
   * and answers whether it is.
   */
  pushed(url: string): boolean | Promise<boolean>;
}

const secret = z.string().min(1, 'must not be empty');

const schema = z.strictObject({
  /** What the git host was given as secret or signing token; several while one replaces another. */
  secret: z
    .union([secret.transform((one) => [one]), z.array(secret).min(1, 'must have a secret')])
    .pipe(z.array(secret)),
  /** Is told of each push. */
  service: methods<PushListener>(['pushed'], 'the service of a router'),
  /** Told of what needs somebody's hand. Default: `console`. */
  logger: methods<Logger>(['warn', 'error'], 'a logger').optional(),
});

/** What `createWebhookHandler` takes. */
export type WebhookOptions = z.input<typeof schema>;
export type WebhookConfig = z.output<typeof schema>;

/** @throws SnapshotError `INVALID_OPTIONS`, whose message names each option that is wrong. */
export function parseWebhookOptions(options: WebhookOptions): WebhookConfig {
  return checkOptions(schema, options);
}
