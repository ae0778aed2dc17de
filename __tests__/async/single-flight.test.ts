import { SingleFlight, type Turn } from '../../lib/async/single-flight.js';

/** Work that ends when the test says how. */
function controlled() {
  const ends: ((error?: Error) => void)[] = [];
  const work = () =>
    new Promise<number>((resolve, reject) => {
      const number = ends.length + 1;
      ends.push((error) => (error ? reject(error) : resolve(number)));
    });
  return {
    work,
    begun: () => ends.length,
    end: (i: number, error?: Error) => ends[i - 1]?.(error),
  };
}

test('Calls that join share the run that has begun', async () => {
  const runs = new SingleFlight<number>();
  const { work, begun, end } = controlled();
  const all = Array.from({ length: 50 }, () => runs.join('a', work));
  expect(begun()).toBe(1);
  end(1);
  expect(new Set(await Promise.all(all))).toEqual(new Set([1]));
  const later = runs.join('a', work);
  end(2);
  expect(await later).toBe(2);
});

test('All calls share a run while it waits for its turn', async () => {
  const runs = new SingleFlight<number>();
  const { work, begun, end } = controlled();
  let start = () => {};
  const turn = new Promise<void>((resolve) => {
    start = resolve;
  });
  const waits: Turn = (run) => turn.then(run);
  const all = Array.from({ length: 50 }, () => runs.joinNext('a', work, waits));
  expect(begun()).toBe(0);
  start();
  while (begun() === 0) await Promise.resolve();
  const late = runs.joinNext('a', work);
  end(1);
  expect(new Set(await Promise.all(all))).toEqual(new Set([1]));
  while (begun() === 1) await Promise.resolve();
  end(2);
  expect(await late).toBe(2);
});

test('Calls that join the next run during a run share it', async () => {
  const runs = new SingleFlight<number>();
  const { work, begun, end } = controlled();
  const first = runs.joinNext('a', work);
  const others = Array.from({ length: 50 }, () => runs.joinNext('a', work));
  expect(begun()).toBe(1);
  end(1);
  expect(await first).toBe(1);
  await Promise.resolve();
  expect(begun()).toBe(2);
  const late = runs.joinNext('a', work);
  end(2);
  expect(new Set(await Promise.all(others))).toEqual(new Set([2]));
  await Promise.resolve();
  end(3);
  expect(await late).toBe(3);
});

test('Each key has runs of its own', async () => {
  const runs = new SingleFlight<number>();
  const { work, begun, end } = controlled();
  const both = [runs.joinNext('a', work), runs.joinNext('b', work)];
  expect(begun()).toBe(2);
  end(2);
  end(1);
  expect(await Promise.all(both)).toEqual([1, 2]);
});

test('A run that fails rejects only the calls that share it', async () => {
  const runs = new SingleFlight<number>();
  const { work, end } = controlled();
  const first = runs.joinNext('a', work);
  const second = runs.joinNext('a', work);
  end(1, new Error('no luck'));
  await expect(first).rejects.toThrow('no luck');
  await Promise.resolve();
  end(2);
  expect(await second).toBe(2);
});

test('Waiting until all runs are settled includes next runs and runs that fail', async () => {
  const runs = new SingleFlight<number>();
  await runs.settled();
  const { work, begun, end } = controlled();
  const outcomes = Promise.allSettled([runs.joinNext('a', work), runs.joinNext('a', work)]);
  let isSettled = false;
  const settled = runs.settled().then(() => {
    isSettled = true;
  });
  end(1, new Error('no luck'));
  while (begun() < 2) await Promise.resolve();
  expect(isSettled).toBe(false);
  end(2);
  await Promise.all([outcomes, settled]);
});
