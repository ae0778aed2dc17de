/** @one-node-version */
import { setImmediate } from 'node:timers/promises';
import { FileSystemStore, MemoryStore } from '../../../lib/index.js';
import type { SnapshotStore } from '../../../lib/stores/index.js';
import { assertBytes, contentOf, mustOpen, put } from '../../../lib/testing/store-content.js';
import { rounds, seedOf } from '../../support/effort.js';
import { SeededRandom } from '../../support/random.js';
import { cleanup } from '../../support/temporary-directory.js';
import { holdAt, MIB, tiers } from './tiers.js';

/*
 * Readers of an object while it is copied from the shared tier, each at a pace of its own.
 */

/** More than a reader may be behind. */
const OLD = contentOf('old', 5 * MIB);
const NEW = contentOf('new', 2 * MIB);

const FIRST_SEED = seedOf('paces of readers');
const SEEDS = Array.from({ length: rounds(3, 60) }, (_, i) => FIRST_SEED + i);

const { directory } = cleanup(afterEach);

/** Reads `bytes` bytes, and the rest when `resumed` resolves. */
async function readInParts(
  body: AsyncIterable<Uint8Array>,
  bytes: number,
  resumed: Promise<void>,
): Promise<Buffer> {
  const read: Uint8Array[] = [];
  let count = 0;
  if (bytes === 0) await resumed;
  for await (const chunk of body) {
    read.push(chunk);
    count += chunk.length;
    if (count >= bytes) await resumed;
  }
  return Buffer.concat(read);
}

/** Resolves when the copy is there. */
async function copied(local: SnapshotStore, { length }: Buffer): Promise<void> {
  while ((await local.stat('key'))?.size !== length) await setImmediate();
}

describe.each<[string, () => Promise<SnapshotStore>]>([
  ['memory', async () => new MemoryStore({ maxBytes: 64 * MIB })],
  ['files', async () => new FileSystemStore({ directory: await directory() })],
])('A copy in %s', (_, makeNear) => {
  test.each(SEEDS)(
    'gives readers all bytes of the object that they opened, at any pace (seed %i)',
    async (seed) => {
      const random = new SeededRandom(seed);
      const local = await makeNear();
      const { shared, store, failures } = tiers({ localMaxAge: 0 }, local);
      await put(shared.inner, 'key', OLD);
      const { reached, release } = holdAt(shared, (1 + random.below(4)) * MIB);
      let resume = () => {};
      const resumed = new Promise<void>((resolve) => {
        resume = resolve;
      });
      const open = async (bytes: number, readings: Promise<void>[]) => {
        const start = random.below(2) * random.below(OLD.length);
        const end = start + random.below(OLD.length - start);
        const { body } = await mustOpen(store, 'key', { range: { start, end } });
        const read = readInParts(body, bytes, resumed).then((content) => {
          assertBytes(content, OLD.subarray(start, end + 1));
        });
        read.catch(() => {}); // until it is waited for
        readings.push(read);
      };
      const [eager, slow]: [Promise<void>[], Promise<void>[]] = [[], []];
      const openSome = async () => {
        for (let i = 0; i < 8; i++) {
          await open(Number.POSITIVE_INFINITY, eager);
          await open(random.below(2) * random.below(2 * MIB), slow);
        }
      };
      await openSome();
      await reached;
      await openSome();
      release();
      await Promise.all(eager);
      await copied(local, OLD);
      await openSome();
      expect(shared.asked.open).toBe(1);
      await put(shared.inner, 'key', NEW);
      (await mustOpen(store, 'key')).body.destroy();
      await copied(local, NEW);
      resume();
      await Promise.all([...eager, ...slow]);
      expect([shared.asked.open, failures]).toEqual([2, []]);
    },
  );
});
