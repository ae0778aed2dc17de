/** @one-node-version */
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { diskBudgets } from '../../lib/config/disk-budgets.js';
import { parseServiceOptions } from '../../lib/config/options.js';
import { MemoryStore } from '../../lib/index.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);
const GIB = 2 ** 30;

test('Without budgets, mirrors get half of the disk and snapshots a quarter, up to a limit', async () => {
  const parent = await directory();
  const { blocks, bsize } = await statfs(parent);
  const dataDir = join(parent, 'not/yet/there');
  expect(diskBudgets(parseServiceOptions({ dataDir, hosts: ['git.test'] }))).toEqual({
    maxMirrorBytes: Math.min(100 * GIB, Math.floor((blocks * bsize) / 2)),
    maxStoreBytes: Math.min(50 * GIB, Math.floor((blocks * bsize) / 4)),
    warning: undefined,
  });
});

test('Budgets that are larger than the disk are named in a warning', async () => {
  const options = { dataDir: await directory(), hosts: ['git.test'] };
  const huge = Number.MAX_SAFE_INTEGER;
  const warningOf = (more: object) =>
    diskBudgets(parseServiceOptions({ ...options, ...more })).warning;
  expect(warningOf({ budgets: { maxStoreBytes: huge } })).toContain('maxStoreBytes');
  expect(
    warningOf({ budgets: { maxMirrorBytes: huge }, store: new MemoryStore({ maxBytes: 1 }) }),
  ).toMatch(/maxMirrorBytes allow \d+ bytes/);
  expect(
    warningOf({ budgets: { maxMirrorBytes: 0 }, store: new MemoryStore({ maxBytes: 1 }) }),
  ).toBeUndefined();
});
