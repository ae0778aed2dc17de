import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { leftovers } from './host-app.js';
import { openFiles } from './process-resources.js';
import type { Upstream } from './upstream.js';

/** Asserts that nothing unfinished is left on disk, open in this process or running at the upstream. */
export async function expectNothingLeft(dataDir: string, upstream: Upstream): Promise<void> {
  expect(await leftovers(dataDir)).toEqual([]);
  expect(await openFiles(dataDir)).toEqual([]);
  await upstream.waitFor(({ requests }) => requests.every(({ closed }) => closed));
}

/** The names in the directory of mirrors. */
export async function mirrorNames(dataDir: string): Promise<string[]> {
  return readdir(join(dataDir, 'mirrors'));
}
