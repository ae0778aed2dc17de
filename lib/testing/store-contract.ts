import { type RegisterTest, registerCases } from './contract.js';
import { conditionCases } from './store-conditions.js';
import type { StoreUnderTest } from './store-content.js';
import { fileCases } from './store-files.js';
import { keyCases } from './store-keys.js';

import { priorityCases } from './store-priorities.js';
import { readingCases } from './store-reading.js';
import { replacedCases } from './store-replaced.js';
import { writingCases } from './store-writing.js';

export interface StoreContractOptions {
  readonly test: RegisterTest;
  /** Called once for each test. */
  readonly factory: () => StoreUnderTest | Promise<StoreUnderTest>;
}

/** Registers a test for each MUST of `SnapshotStore`. Tests of what the store lacks do nothing. */
export function storeContract({ test, factory }: StoreContractOptions): void {
  const cases = {
    ...readingCases,
    ...writingCases,
    ...keyCases,
    ...fileCases,
    ...priorityCases,
    ...conditionCases,
    ...replacedCases,
  };
  registerCases(test, cases, factory, async ({ store, cleanup }) => {
    await store.close?.();
    await cleanup?.();
  });
}
