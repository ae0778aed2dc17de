import { methods } from '../check-options.js';
import type { LockRegistry } from './registry.js';

/** The check of an option that is a lock registry. */
export const lockRegistrySchema = methods<LockRegistry>(['acquire'], 'a LockRegistry');
