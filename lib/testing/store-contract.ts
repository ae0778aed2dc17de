import { z } from 'zod';
import { bytes, callback, checkOptions } from '../check-options.js';
import { storeSchema } from '../stores/store-schema.js';
import { type RegisterTest, registerCases } from './contract.js';
import { contractSchema } from './contract-schema.js';
import { openedStores } from './opened-stores.js';
import { conditionCases } from './store-conditions.js';
import type { StoreUnderTest } from './store-content.js';
import { fileCases } from './store-files.js';
import { keyCases } from './store-keys.js';
import { offloadCases } from './store-offload.js';
import { priorityCases } from './store-priorities.js';
import { readingCases } from './store-reading.js';
import { replacedCases } from './store-replaced.js';
import { writingCases } from './store-writing.js';

/** Options of `storeContract`. */
export interface StoreContractOptions {
  /** Registers each test: `test` of your runner. */
  readonly test: RegisterTest;
  /** Called once for each test. */
  readonly factory: () => StoreUnderTest | Promise<StoreUnderTest>;
}

/** Five writes at a time fit into the room of a store under test. */
const MAX_IN_PARTS = 6 * 1024 * 1024;

const storeUnderTestSchema = z.strictObject({
  store: storeSchema,
  reopen: callback().optional(),
  withBudget: callback().optional(),
  bytesInParts: bytes.max(MAX_IN_PARTS).optional(),
  cleanup: callback().optional(),
});

/**
 * Registers a test for each MUST of `SnapshotStore` that a test can check in one process. A test of
 * an optional method or ability that the store lacks passes without checking anything.
 *
 * @throws SnapshotError `INVALID_OPTIONS`. A test fails with it if the factory makes anything but a
 * `StoreUnderTest`.
 */
export function storeContract(options: StoreContractOptions): void {
  checkOptions(contractSchema, options, 'storeContract');
  const { test, factory } = options;
  const cases = {
    ...readingCases,
    ...writingCases,
    ...keyCases,
    ...fileCases,
    ...offloadCases,
    ...priorityCases,
    ...conditionCases,
    ...replacedCases,
  };
  const make = async () => {
    const made = await factory();
    checkOptions(storeUnderTestSchema, made, "the factory's result");
    return openedStores(made);
  };
  registerCases(test, cases, make, async ({ closeAll, cleanup }) => {
    await closeAll();
    await cleanup?.();
  });
}
