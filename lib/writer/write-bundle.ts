import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { bundleBasis, bundleEtag } from '../artifact/etag.js';
import { SnapshotError } from '../errors.js';
import { writeFully } from '../fs/sync-io.js';
import { reachableObjects } from '../history/reachable-objects.js';
import { packPaths } from '../mirror/disk/layout.js';
import { packsOf } from '../mirror/disk/revision.js';
import { withReader } from '../pack/reader.js';
import { WindowedFile } from '../pack/windowed-file.js';
import { writePack } from '../pack/write-pack.js';
import type { ArtifactTask, WriteContext, WriteResult } from './write-context.js';

/** The bundle to write. */
export interface BundleTask extends ArtifactTask {
  readonly kind: 'bundle';
  /** A commit, 40 hex digits. */
  readonly base: string;
}

/**
 * Writes a bundle: gitformat-bundle(5), version 2. It brings a client from a commit that it has to
 * HEAD. Its ref is HEAD's branch: clients run `git pull --ff-only FILE BRANCH`.
 *
 * @throws SnapshotError `BASE_NOT_FOUND`, also when HEAD moved back to an ancestor of the base: the
 * bundle would be empty, and git, too, refuses to create such a bundle. Other errors as
 * `writePack`.
 */
export async function writeBundle(task: BundleTask, context: WriteContext): Promise<WriteResult> {
  const { mirror, revision, base, scratch, limits } = task;
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
    mkdirSync(scratch);
    const pack = await writePack(reader, objects, scratch, { ...context, limits });
    const basis = bundleBasis(head);
    const etag = bundleEtag(base, basis, pack.name);
    context.emit({ kind: 'planned', etag, commit: head.oid, basis });
    const header = Buffer.from(`# v2 git bundle\n-${base} \n${basis}\n\n`, 'latin1');
    return { size: writeFiles(task.path, header, join(scratch, `${pack.name}.pack`)) };
  });
}

const PIECE_BYTES = 1024 * 1024;

/** @returns the size in bytes. */
function writeFiles(path: string, header: Buffer, packPath: string): number {
  const fd = openSync(path, 'r+');
  const pack = new WindowedFile(packPath);
  try {
    writeFully(fd, header);
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, pack.size));
    for (let at = 0; at < pack.size; at += piece.length) {
      const bytes = piece.subarray(0, Math.min(piece.length, pack.size - at));
      pack.readInto(bytes, at);
      writeFully(fd, bytes);
    }
    return header.length + pack.size;
  } finally {
    pack.close();
    closeSync(fd);
  }
}
