import { z } from 'zod';
import { methods } from '../../check-options.js';
import { loggerSchema } from '../../config/schema.js';
import type { PushListener } from './options.js';

const secret = z.string().min(1, 'must not be empty');

/** The checks of `WebhookOptions`. */
export const webhookSchema = z.strictObject({
  secret: z
    .union([
      secret.transform((one) => [one]),
      z.array(secret).min(1, 'must have a secret').readonly(),
    ])
    .pipe(z.array(secret)),
  service: methods<PushListener>(['notifyPush'], 'the service of a router'),
  logger: loggerSchema,
});
