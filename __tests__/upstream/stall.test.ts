import { type Clock, install } from '@sinonjs/fake-timers';
import { failWhenStalled } from '../../lib/upstream/stall.js';
import { withResolvers } from '../../lib/with-resolvers.js';
import { cleanup } from '../support/temporary-directory.js';

const { defer } = cleanup(afterEach);
const LIMIT = 1000;

let clock: Clock;

beforeEach(() => {
  clock = install({ toFake: ['setTimeout', 'clearTimeout'] });
  defer(() => clock.uninstall());
});

/** A pack whose pieces arrive when the test says so. */
function arriving() {
  const chunks = Array.from({ length: 3 }, () => withResolvers<Uint8Array>());
  let isGivenUp = false;
  async function* source() {
    try {
      for (const { promise } of chunks) yield await promise;
    } finally {
      isGivenUp = true;
    }
  }
  return {
    pack: failWhenStalled(source(), LIMIT),
    arrive: (index: number) => chunks[index]?.resolve(Uint8Array.of(index)),
    isGivenUp: () => isGivenUp,
  };
}

const chunk = (index: number) => ({
  status: 'fulfilled',
  value: { done: false, value: Uint8Array.of(index) },
});
const STALLED = { code: 'UPSTREAM_TIMEOUT', message: `the upstream sent nothing for ${LIMIT} ms` };

test('A pack may take longer than the stall timeout to begin', async () => {
  const { pack, arrive } = arriving();
  const begun = Promise.allSettled([pack.next()]);
  await clock.tickAsync(100 * LIMIT);
  arrive(0);
  expect(await begun).toEqual([chunk(0)]);
});

test('A pack that has begun fails when no byte arrives for the stall timeout', async () => {
  const { pack, arrive, isGivenUp } = arriving();
  arrive(0);
  await pack.next();
  const failed = expect(pack.next()).rejects.toMatchObject(STALLED);
  await clock.tickAsync(LIMIT);
  await failed;
  arrive(1);
  await clock.tickAsync(0);
  expect(isGivenUp()).toBe(true);
});

test('Each piece of a pack may take as long as the stall timeout', async () => {
  const { pack, arrive } = arriving();
  for (const index of [0, 1, 2]) {
    const arrived = Promise.allSettled([pack.next()]);
    await clock.tickAsync(LIMIT - 1);
    arrive(index);
    expect(await arrived).toEqual([chunk(index)]);
  }
  expect(await pack.next()).toEqual({ done: true, value: undefined });
  expect(clock.countTimers()).toBe(0);
});

test('The stall timeout does not run while the reader asks for no bytes', async () => {
  const { pack, arrive } = arriving();
  arrive(0);
  await pack.next();
  await clock.tickAsync(100 * LIMIT);
  const next = Promise.allSettled([pack.next()]);
  arrive(1);
  expect(await next).toEqual([chunk(1)]);
});

test('A reader that leaves ends the pack', async () => {
  const { pack, arrive, isGivenUp } = arriving();
  arrive(0);
  await pack.next();
  await pack.return(undefined);
  expect(isGivenUp()).toBe(true);
});
