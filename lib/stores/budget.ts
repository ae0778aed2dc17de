import { z } from 'zod';

/** Bytes that a store may take: with 0 it keeps nothing. */
export const budget = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
