/**
 * @one-node-version
 */
import { alternate } from './alternate.js';
import { fittedExponent } from './fit.js';
import { summarise } from './result.js';
import { quantile, spreadOf } from './spread.js';

test('Quantiles are interpolated between numbers in numeric order', () => {
  expect(quantile([100, 9, 20], 0.5)).toBe(20);
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([7], 0.99)).toBe(7);
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3, runs: [3, 1, 2] });
});

test('A fit finds the exponent of a power law, also with noise around it', () => {
  const sizes = [10, 50, 200, 800];
  expect(fittedExponent(sizes.map((x) => [x, 3 * x ** 1.2]))).toBeCloseTo(1.2, 10);
  expect(fittedExponent(sizes.map((x) => [x, 5]))).toBeCloseTo(0, 10);
  expect(
    fittedExponent([
      [1, 2],
      [1, 1 / 2],
      [10, 20],
      [10, 5],
    ]),
  ).toBeCloseTo(1, 10);
});

test('The sides of a comparison take turns, and the warm-up round does not count', async () => {
  const order: string[] = [];
  const side = (name: string) => async () => ({ seconds: order.push(name) });
  const sides = new Map([
    ['a', side('a')],
    ['b', side('b')],
  ]);
  const { signal } = new AbortController();
  const options = { rounds: 2, warmUp: true, signal, onRun: () => {} };
  const samples = await alternate(sides, options);
  expect(order.join('')).toBe('ababab');
  expect(samples.get('a')).toEqual([{ seconds: 3 }, { seconds: 5 }]);
  expect(samples.get('b')).toEqual([{ seconds: 4 }, { seconds: 6 }]);
});

test('A ratio is a median divided by the median of the reference', () => {
  const samples = new Map([
    ['ours', [{ seconds: 1, cpuSeconds: 4 }, { seconds: 3 }, { seconds: 2 }]],
    ['peer', [{ seconds: 8 }, { seconds: 4 }, { seconds: 5 }]],
  ]);
  const [ours, peer] = summarise(samples, 'peer');
  expect(ours?.ratios).toEqual({ seconds: 2 / 5 });
  expect(peer?.ratios).toEqual({});
  expect(summarise(samples, undefined)[0]?.ratios).toEqual({});
});
