/** @one-node-version */
import { SnapshotError } from '../../lib/errors.js';
import { DiskRoom } from '../../lib/mirror/disk-room.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

let evicted: string[];

beforeEach(() => {
  evicted = [];
});

/** @param uses the time of the last use of each evictable thing; each is larger than any disk. */
async function roomOf(uses: Readonly<Record<string, number>>): Promise<DiskRoom> {
  return new DiskRoom(await directory(), async () =>
    Object.entries(uses).map(([name, usedAt]) => ({
      bytes: 2 ** 60,
      usedAt,
      evict: async () => void evicted.push(name),
    })),
  );
}

const full = () => Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });

test.each([
  ['a system error', full()],
  ['an error of a job', new SnapshotError('STORAGE_FULL', 'full', { cause: full() })],
])(
  'After %s of a full disk, the least recently used leaves, and the work is done again',
  async (_, error) => {
    const room = await roomOf({ late: 3, early: 1, middle: 2 });
    let runs = 0;
    const work = async () => {
      if (++runs === 1) throw error;
      return 'done';
    };
    expect(await room.retry(work)).toBe('done');
    expect(evicted).toEqual(['early']);
  },
);

test('Work that fills the disk twice fails, and so does work when nothing can leave', async () => {
  for (const uses of [{ only: 1 }, {}]) {
    const room = await roomOf(uses);
    let runs = 0;
    const work = async () => {
      runs++;
      throw full();
    };
    await expect(room.retry(work)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(runs).toBe(Object.keys(uses).length + 1);
  }
});

test('Other failures evict nothing', async () => {
  const room = await roomOf({ only: 1 });
  const work = async () => {
    throw new SnapshotError('UPSTREAM_INVALID', 'no pack');
  };
  await expect(room.retry(work)).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' });
  await room.require(1);
  expect(evicted).toEqual([]);
});

test('Work of more bytes than are free makes room before it begins', async () => {
  const room = await roomOf({ late: 2, early: 1 });
  await room.require(2 ** 59);
  expect(evicted).toEqual(['early']);
});
