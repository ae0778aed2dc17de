export type { PresignOptions } from '../bucket/options.js';
export { GcsStore } from './gcs-store.js';
export type { GcsStoreOptions } from './options.js';
