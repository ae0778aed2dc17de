export type { S3StoreOptions } from './options.js';
export type { PresignOptions } from './presign.js';
export { S3Store } from './s3-store.js';
