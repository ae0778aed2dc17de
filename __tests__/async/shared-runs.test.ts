import { SharedRuns } from '../../lib/async/shared-runs.js';

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

test('All calls during a run share the next run', async () => {
  const runs = new SharedRuns<number>();
  const { work, begun, end } = controlled();
  const first = runs.run('a', work);
  const others = Array.from({ length: 50 }, () => runs.run('a', work));
  expect(begun()).toBe(1);
  end(1);
  expect(await first).toBe(1);
  await Promise.resolve();
  expect(begun()).toBe(2);
  const late = runs.run('a', work);
  end(2);
  expect(new Set(await Promise.all(others))).toEqual(new Set([2]));
  await Promise.resolve();
  end(3);
  expect(await late).toBe(3);
});

test('Each key has runs of its own', async () => {
  const runs = new SharedRuns<number>();
  const { work, begun, end } = controlled();
  const both = [runs.run('a', work), runs.run('b', work)];
  expect(begun()).toBe(2);
  end(2);
  end(1);
  expect(await Promise.all(both)).toEqual([1, 2]);
});

test('A run that fails rejects only the calls that share it', async () => {
  const runs = new SharedRuns<number>();
  const { work, end } = controlled();
  const first = runs.run('a', work);
  const second = runs.run('a', work);
  end(1, new Error('no luck'));
  await expect(first).rejects.toThrow('no luck');
  await Promise.resolve();
  end(2);
  expect(await second).toBe(2);
});

test('Waiting until all runs are settled includes the next runs and those that fail', async () => {
  const runs = new SharedRuns<number>();
  await runs.settled();
  const { work, begun, end } = controlled();
  const outcomes = Promise.allSettled([runs.run('a', work), runs.run('a', work)]);
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
