import { z } from 'zod';
import { invalidRequest } from '../errors.js';
import { SORT_KEYS, STATES } from './messages.js';
import type { Selection } from './select-rows.js';

export const SELECTION_PARAMETERS = ['filter', 'state', 'sort', 'order', 'offset'];

const schema = z.object({
  filter: z.string().max(500).default(''),
  state: z.enum(STATES).optional(),
  sort: z.enum(SORT_KEYS).default('name'),
  order: z.enum(['ascending', 'descending']).default('ascending'),
  offset: z
    .string()
    .regex(/^\d{1,9}$/)
    .default('0')
    .transform(Number),
});

/** @throws SnapshotError `INVALID_REQUEST` */
export function selectionOf(query: ReadonlyMap<string, string>): Selection {
  const parsed = schema.safeParse(Object.fromEntries(query));
  if (!parsed.success) {
    const name = String(parsed.error.issues[0]?.path[0]);
    throw invalidRequest(`the query parameter "${name}" is malformed`, parsed.error);
  }
  const { order, state, ...rest } = parsed.data;
  return { ...rest, state, isDescending: order === 'descending' };
}
