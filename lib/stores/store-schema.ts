import { methods } from '../check-options.js';
import type { SnapshotStore } from './store.js';

/** The check of an option that is a store. */
export const storeSchema = methods<SnapshotStore>(
  ['stat', 'open', 'put', 'delete', 'list'],
  'a SnapshotStore',
);
