/** @one-node-version */
import { lockContract } from '../../lib/testing/index.js';
import { type CollectedTests, collectTests, faultsIn, passing } from './collected-tests.js';
import { FaultyLocks, LOCK_FAULTS, type LockFault } from './faulty-locks.js';

test('A registry without a fault passes all tests', async () => {
  const tests = contractFor(undefined);
  expect(await passing(tests)).toEqual([...tests.keys()]);
});

test.each(faultsIn(LOCK_FAULTS))('A registry that %s is caught', async (fault, catchers) => {
  expect(await passing(contractFor(fault), catchers)).toEqual([]);
});

test('Each test of the contract catches some fault', () => {
  const catchers = new Set<string>(Object.values(LOCK_FAULTS).flat());
  expect(catchers).toEqual(new Set(contractFor(undefined).keys()));
});

function contractFor(fault: LockFault | undefined): CollectedTests {
  return collectTests((register) => {
    const factory = () => ({ locks: new FaultyLocks(fault) });
    lockContract({ test: register, factory, patience: fault === undefined ? 30_000 : 200 });
  });
}
