/** @one-node-version */
import { storeContract } from '../../lib/testing/index.js';
import { cleanup } from '../support/temporary-directory.js';
import { type CollectedTests, collectTests, faultsIn, passing } from './collected-tests.js';
import { FaultyFileStore, FILE_FAULTS } from './faulty-files.js';
import { FaultyReplacedStore, REPLACED_FAULTS } from './faulty-replaced.js';
import { FaultyStore } from './faulty-store.js';
import { STORE_FAULTS, type StoreFault } from './store-faults.js';

const { directory } = cleanup(afterEach);

test('A store without a fault passes the contract suite', async () => {
  const tests = contractFor(undefined);
  expect(await passing(tests)).toEqual([...tests.keys()]);
});

test.each(faultsIn(STORE_FAULTS))(
  'A store that %s fails the contract suite',
  async (fault, catchers) => {
    expect(await passing(contractFor(fault), catchers)).toEqual([]);
  },
);

test.each(faultsIn(REPLACED_FAULTS))(
  'A store that %s fails the contract suite',
  async (fault, catchers) => {
    const tests = collectTests((register) => {
      storeContract({
        test: register,
        factory: () => ({ store: new FaultyReplacedStore(fault) }),
      });
    });
    expect(await passing(tests, catchers)).toEqual([]);
  },
);

test.each(faultsIn(FILE_FAULTS))(
  'A store that %s fails the contract suite',
  async (fault, catchers) => {
    const tests = collectTests((register) => {
      storeContract({
        test: register,
        factory: async () => ({ store: new FaultyFileStore(await directory(), fault) }),
      });
    });
    expect(await passing(tests, catchers)).toEqual([]);
  },
);

test('Each test of the store contract catches at least one fault', () => {
  const faults = { ...STORE_FAULTS, ...REPLACED_FAULTS, ...FILE_FAULTS };
  const catchers = new Set<string>(Object.values(faults).flat());
  // The tests of objects in several parts are the same with larger objects.
  const titles = [...contractFor(undefined).keys()].map((title) =>
    title.replace(/, in several parts$/, ''),
  );
  expect(catchers).toEqual(new Set(titles));
});

function contractFor(fault: StoreFault | undefined): CollectedTests {
  return collectTests((register) => {
    storeContract({
      test: register,
      factory: () => {
        const store = new FaultyStore(fault);
        const withBudget = (maxBytes: number) => store.withBudget(maxBytes);
        return { store, withBudget, reopen: () => store.reopen(), bytesInParts: 2000 };
      },
    });
  });
}
