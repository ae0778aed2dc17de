export type { PresignOptions } from '../bucket/options.js';
export type { S3StoreOptions } from './options.js';
export { S3Store } from './s3-store.js';
