export type { PresignOptions } from '../bucket/options.js';
export { AzureStore } from './azure-store.js';
export type { AzureStoreOptions } from './options.js';
