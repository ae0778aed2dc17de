/** @one-node-version */
import { lockContract } from '../../lib/testing/index.js';
import { type CollectedTests, collectTests, faultsIn, passing } from './collected-tests.js';
import { FaultyLocks, LOCK_FAULTS, type LockFault } from './faulty-locks.js';

test('A lock registry without a fault passes the contract suite', async () => {
  const tests = contractFor(undefined);
  expect(await passing(tests)).toEqual([...tests.keys()]);
});

test.each(faultsIn(LOCK_FAULTS))(
  'A lock registry that %s fails the contract suite',
  async (fault, catchers) => {
    expect(await passing(contractFor(fault), catchers)).toEqual([]);
  },
);

test('Each test of the lock contract catches at least one fault', () => {
  const catchers = new Set<string>(Object.values(LOCK_FAULTS).flat());
  expect(catchers).toEqual(new Set(contractFor(undefined).keys()));
});

function contractFor(fault: LockFault | undefined): CollectedTests {
  return collectTests((register) => {
    const factory = () => {
      const locks = new FaultyLocks(fault);
      return { locks, another: () => locks.another() };
    };
    lockContract({ test: register, factory, timeout: fault === undefined ? 30_000 : 200 });
  });
}
