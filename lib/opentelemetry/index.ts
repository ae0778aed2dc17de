export { instrumentLocks } from './instrument-locks.js';
export { instrumentRouter } from './instrument-router.js';
export { instrumentService } from './instrument-service.js';
export { instrumentStore } from './instrument-store.js';
export type { InstrumentOptions, InstrumentStoreOptions } from './options.js';
