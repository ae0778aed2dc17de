import { Load } from '../../lib/async/load.js';
import { door } from '../support/door.js';

test('Work is counted while it waits for its turn, and while it runs', async () => {
  const load = new Load();
  const [turn, giveTurn] = door();
  const [done, finish] = door();
  const counted = load.count(
    () => done,
    async (begin) => {
      await turn;
      await begin();
    },
  );
  expect(load.counts).toEqual({ running: 0, queued: 1 });
  giveTurn();
  await turn;
  expect(load.counts).toEqual({ running: 1, queued: 0 });
  finish();
  await counted;
  expect(load.counts).toEqual({ running: 0, queued: 0 });
});

test('Work that fails, or that leaves its queue, is counted no more', async () => {
  const load = new Load();
  const fails = async () => {
    throw new Error('it failed');
  };
  await expect(load.count(fails, (begin) => begin())).rejects.toThrow('it failed');
  const leaves = async () => {
    throw new Error('it left');
  };
  await expect(load.count(async () => {}, leaves)).rejects.toThrow('it left');
  expect(load.counts).toEqual({ running: 0, queued: 0 });
});
