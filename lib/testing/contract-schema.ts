import { z } from 'zod';
import { callback } from '../check-options.js';

/** The check of the options that all contracts have. */
export const contractSchema = z.strictObject({
  test: callback(),
  factory: callback(),
});
