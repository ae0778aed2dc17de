import { z } from 'zod';
import { callback, methods } from '../check-options.js';
import { loggerSchema } from '../config/schema.js';
import { ACTIONS } from './messages.js';
import type { ShownSnapshots, StatusPageOptions } from './options.js';

export type ShownService = ShownSnapshots['service'];

export const actionsSchema = z.array(z.enum(ACTIONS)).readonly();

/** Any base: only whether the text is a URL, alone or relative to another. */
const url = z
  .string()
  .refine(
    (text) => URL.canParse(text, 'https://host/') && /^https?:$/.test(protocolOf(text)),
    'must be an http(s) URL, absolute or relative',
  );

function protocolOf(text: string): string {
  return new URL(text, 'https://host/').protocol;
}

/** The checks of `StatusPageOptions`. */
export const statusPageSchema = z.strictObject({
  actions: z
    .union([actionsSchema, callback<Exclude<StatusPageOptions['actions'], undefined>>()])
    .default([]),
  snapshotsUrl: url.default('/git'),
  maxStreams: z.number().int().min(0).max(10_000).default(50),
  logger: loggerSchema,
});

export type StatusPageConfig = z.output<typeof statusPageSchema>;

export const shownSchema = z.object({
  service: methods<ShownService>(
    ['resolve', 'refresh', 'purge', 'status', 'listRepositories', 'stats', 'diskUsage'],
    'a SnapshotService',
  ),
});
