import { type Clock, install } from '@sinonjs/fake-timers';
import { after, now } from '../../lib/async/clock.js';
import { Schedule } from '../../lib/async/schedule.js';
import { SeededRandom } from '../support/random.js';

let clock: Clock;
let due: string[];
let schedule: Schedule<string>;

beforeEach(() => {
  clock = install({ now: 1_000_000 });
  due = [];
  schedule = new Schedule((item) => due.push(item));
});

afterEach(() => {
  schedule.stop();
  clock.uninstall();
});

const add = (item: string, inMilliseconds: number) =>
  schedule.add(item, item, after(now(), inMilliseconds));

test('Each item of a schedule is due once, at its time', () => {
  add('late', 300);
  add('soon', 100);
  add('now', -5);
  expect(due).toEqual([]);
  clock.tick(99);
  expect(due).toEqual(['now']);
  clock.tick(1);
  expect(due).toEqual(['now', 'soon']);
  clock.tick(1000);
  expect(due).toEqual(['now', 'soon', 'late']);
  expect(clock.countTimers()).toBe(0);
});

test('An item that is added twice is due at the earlier time', () => {
  add('a', 100);
  add('a', 500);
  add('b', 500);
  add('b', 100);
  clock.tick(100);
  expect(due.sort()).toEqual(['a', 'b']);
  clock.tick(1000);
  expect(due).toHaveLength(2);
});

test('An item that is due can be added again', () => {
  schedule.stop();
  schedule = new Schedule((item) => {
    due.push(item);
    if (due.length < 3) add(item, 10);
  });
  add('again', 10);
  clock.tick(100);
  expect(due).toEqual(['again', 'again', 'again']);
  expect(schedule.has('again')).toBe(false);
});

test('A time that is too far away for one timer is waited for', () => {
  add('far', 2 ** 32);
  clock.tick(2 ** 32 - 1);
  expect(due).toEqual([]);
  clock.tick(1);
  expect(due).toEqual(['far']);
});

test('After a stop nothing is due, and no timer is left', () => {
  add('a', 10);
  schedule.stop();
  add('b', 10);
  expect([schedule.has('a'), schedule.has('b'), clock.countTimers()]).toEqual([false, false, 0]);
  clock.tick(1000);
  expect(due).toEqual([]);
});

test('A schedule does not keep the process alive', () => {
  clock.uninstall();
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  add('later', 100_000);
  expect(timers()).toBe(before);
});

test('Thousands of items are due in the order of their times, also those that were moved up', () => {
  const random = new SeededRandom(1);
  const times = new Map<string, number>();
  const dueAt = new Map<string, number>();
  schedule.stop();
  schedule = new Schedule((item) => dueAt.set(item, clock.now - 1_000_000));
  for (let round = 0; round < 4; round++) {
    for (let index = 0; index < 500; index++) {
      const time = 1 + random.below(10_000);
      const item = `item ${index}`;
      times.set(item, Math.min(times.get(item) ?? time, time));
      add(item, time);
    }
  }
  expect(clock.countTimers()).toBe(1);
  clock.tick(10_001);
  expect(dueAt).toEqual(times);
  expect(clock.countTimers()).toBe(0);
});
