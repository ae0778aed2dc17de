export type { RegisterTest } from './contract.js';
export { type LockContractOptions, type LocksUnderTest, lockContract } from './lock-contract.js';
export type { StoreUnderTest } from './store-content.js';
export { type StoreContractOptions, storeContract } from './store-contract.js';
