import { ReadingWork } from '../../lib/pack/limits.js';

const MIB = 1024 * 1024;

/** Reads objects of `bytes` bytes. Each one takes `steps` steps of `bytes` bytes. */
function read(work: ReadingWork, { objects, steps, bytes }: Record<string, number>): void {
  for (let n = 0; n < (objects ?? 0); n++) {
    for (let step = 0; step < (steps ?? 0); step++) work.addStep(bytes ?? 0, bytes ?? 0);
    work.addObject(bytes ?? 0);
  }
}

const refused = expect.objectContaining({ code: 'LIMIT_EXCEEDED' });

test.each([
  { objects: 10_000, steps: 50, bytes: 100 * MIB },
  { objects: 1, steps: 50, bytes: 512 * MIB },
  { objects: 100_000, steps: 50, bytes: 0 },
  { objects: 1, steps: 4 * 1024 * 1024, bytes: 0 },
])('Any number of chains of 50 deltas can be read, and a single chain of any length', (case_) => {
  expect(() => read(new ReadingWork(), case_)).not.toThrow();
});

test.each([
  { objects: 10_000, steps: 100, bytes: 100 * MIB },
  { objects: 10_000, steps: 100_000, bytes: 0 },
])('Many longer chains are refused', (case_) => {
  expect(() => read(new ReadingWork(), case_)).toThrow(refused);
});

test('Many small objects with large bases are refused', () => {
  const work = new ReadingWork();
  const bomb = () => {
    for (let n = 0; n < 1000; n++) {
      work.addStep(100 * MIB, 100 * MIB);
      work.addObject(1);
    }
  };
  expect(bomb).toThrow(refused);
});
