import { createReadStream } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { bundleBasis, bundleEtag } from '../artifact/etag.js';
import { SnapshotError } from '../errors.js';
import { reachableObjects } from '../history/reachable-objects.js';
import { packPaths } from '../mirror/disk/layout.js';
import { packsOf } from '../mirror/disk/revision.js';
import { withReader } from '../pack/reader.js';
import { writeScratchPack } from './scratch-pack.js';
import type { ArtifactTask, WriteContext, WriteResult } from './write-context.js';

const PIECE_BYTES = 1024 * 1024;

export interface BundleTask extends ArtifactTask {
  readonly kind: 'bundle';
  /** A commit, 40 hex digits. */
  readonly base: string;
}

/**
 * Writes a bundle (gitformat-bundle(5), version 2) that brings a client from a commit to HEAD. Its
 * ref is HEAD's branch: clients run `git pull --ff-only FILE BRANCH`.
 *
 * @throws SnapshotError `BASE_NOT_FOUND`, also when HEAD moved back to an ancestor of the base:
 * git, too, refuses to create an empty bundle. Other errors as `writePack`.
 */
export async function writeBundle(task: BundleTask, context: WriteContext): Promise<WriteResult> {
  const { mirror, revision, base, limits } = task;
  const { head } = revision;
  const { memory, signal } = context;
  // The base may be a pinned commit.
  const packs = packPaths(mirror, packsOf(revision));
  return await withReader(packs, { limits, memory }, async (reader) => {
    if (reader.isCommit(base) !== true || head.oid === undefined) {
      throw new SnapshotError('BASE_NOT_FOUND', `${base} is no commit of the mirror`);
    }
    const walk = { include: [head.oid], exclude: [base], signal };
    const { objects } = reachableObjects(reader, walk);
    if (objects.size === 0) {
      throw new SnapshotError('BASE_NOT_FOUND', `HEAD has no objects that ${base} lacks`);
    }
    const pack = await writeScratchPack(task, context, reader, objects);
    const basis = bundleBasis(head);
    const etag = bundleEtag(base, basis, basename(pack));
    context.emit({ kind: 'planned', etag, commit: head.oid, basis });
    const header = Buffer.from(`# v2 git bundle\n-${base} \n${basis}\n\n`, 'latin1');
    await writeFile(task.path, bundleOf(header, `${pack}.pack`), { flag: 'r+' });
    return { size: (await stat(task.path)).size };
  });
}

async function* bundleOf(header: Buffer, packFile: string): AsyncGenerator<Buffer> {
  yield header;
  yield* createReadStream(packFile, { highWaterMark: PIECE_BYTES });
}
