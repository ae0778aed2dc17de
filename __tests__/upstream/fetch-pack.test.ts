import { type Clock, install } from '@sinonjs/fake-timers';
import { withResolvers } from '../../lib/async/with-resolvers.js';
import { readFetchAnswer } from '../../lib/git/upload-pack.js';
import { failWhenStalled } from '../../lib/upstream/fetch-pack.js';
import { encodePacket } from '../support/pkt-line.js';
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

describe('While the upstream prepares the pack', () => {
  const waits = [
    ['keep-alives', () => encodePacket('\x01')],
    ['progress', () => encodePacket('\x02Compressing objects: 12% (3/25)\r')],
  ] as const;

  test.each(waits)(
    '%s may come for any time, and the limit begins with its first byte',
    async (_, wait) => {
      const parts = Array.from({ length: 9 }, () => withResolvers<Buffer>());
      async function* body() {
        for (const { promise } of parts) yield await promise;
      }
      const pack = failWhenStalled(
        readFetchAnswer(body(), () => {}),
        LIMIT,
      );
      const first = Promise.allSettled([pack.next()]);
      parts[0]?.resolve(Buffer.concat([encodePacket('NAK\n'), encodePacket('\x01')]));
      for (let i = 1; i < 5; i++) {
        await clock.tickAsync(100 * LIMIT);
        parts[i]?.resolve(wait());
      }
      await clock.tickAsync(100 * LIMIT);
      parts[5]?.resolve(encodePacket('\x01PACK'));
      expect(await first).toEqual([
        { status: 'fulfilled', value: { done: false, value: Buffer.from('PACK') } },
      ]);
      const failed = expect(pack.next()).rejects.toMatchObject(STALLED);
      await clock.tickAsync(LIMIT / 2);
      parts[6]?.resolve(wait());
      await clock.tickAsync(LIMIT / 2);
      await failed;
    },
  );
});

test('A pack that has begun fails when nothing of it arrives for long', async () => {
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
