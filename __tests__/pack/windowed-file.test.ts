import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WindowedFile } from '../../lib/pack/windowed-file.js';
import { openFiles } from '../support/process-resources.js';
import { SeededRandom, seededBytes } from '../support/random.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const WINDOW = 32 * 1024;
/** More windows than are kept, and half a one. */
const CONTENT = seededBytes('windows', 270 * WINDOW + 1000);

let path: string;
let file: WindowedFile;

beforeEach(async () => {
  path = join(await directory(), 'file');
  await writeFile(path, CONTENT);
  file = new WindowedFile(path);
  defer(() => file.close());
});

test('Any part of a file is read', () => {
  const random = new SeededRandom(1);
  expect(file.size).toBe(CONTENT.length);
  for (let i = 0; i < 5000; i++) {
    const length = random.pick([0, 1, 20, 32, 3000, WINDOW, 3 * WINDOW]);
    const near = random.below(271) * WINDOW - random.below(40);
    const anywhere = random.below(CONTENT.length - length);
    const offset = random.below(2) === 0 ? anywhere : near;
    if (offset < 0 || offset + length > CONTENT.length) continue;
    expect(file.read(offset, length).equals(CONTENT.subarray(offset, offset + length))).toBe(true);
  }
});

test('A read beyond the end of a file is refused', () => {
  for (const [offset, length] of [
    [-1, 1],
    [CONTENT.length, 1],
    [CONTENT.length - 5, 6],
    [0, CONTENT.length + 1],
    [2 ** 60, 1],
  ] as const) {
    expect(() => file.read(offset, length)).toThrow(RangeError);
  }
  expect(() => file.readInto(Buffer.alloc(10), CONTENT.length - 9)).toThrow(RangeError);
});

test('A read fails when the file has become shorter', async () => {
  await writeFile(path, CONTENT.subarray(0, 10));
  expect(() => file.read(100, 10)).toThrow(RangeError);
});

test('A file that is closed twice is closed once', async () => {
  expect(await openFiles(path)).toEqual([path]);
  file.close();
  file.close();
  expect(await openFiles(path)).toEqual([]);
});
