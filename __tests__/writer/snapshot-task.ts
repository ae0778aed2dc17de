import { parseOptions, workLimits } from '../../lib/config/options.js';
import type { SnapshotTask } from '../../lib/writer/write-snapshot.js';
import { revisionOf } from '../support/revision.js';

export const limits = workLimits(parseOptions({ dataDir: '/unused', hosts: ['git.test'] }));

/**
 * Orders a snapshot of HEAD.
 *
 * @param mirror any packed repository, which is a mirror as far as these tests need one.
 * @param path of the file to be written, which is there and empty.
 */
export async function snapshotTask(
  mirror: string,
  path: string,
  secondThreadPackBytes: number,
): Promise<SnapshotTask> {
  return {
    kind: 'snapshot',
    mirror,
    revision: await revisionOf(mirror),
    selection: {},
    onlyReachableCommits: false,
    unlessBasis: undefined,
    scratch: `${path}.scratch`,
    originUrl: 'https://git.test/org/repo',
    path,
    compressionLevel: 1,
    trustFileTimes: true,
    secondThreadPackBytes,
    limits,
  };
}
