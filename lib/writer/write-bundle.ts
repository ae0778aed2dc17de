import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { bundleBasis } from '../artifact/bundle-basis.js';
import { SnapshotError } from '../errors.js';
import { writeFully } from '../fs/sync-io.js';
import { reachableObjects } from '../history/reachable-objects.js';
import { packPaths } from '../mirror/disk/layout.js';
import { type MirrorRevision, packsOf } from '../mirror/disk/revision.js';
import type { Limits } from '../options.js';
import { ObjectReader } from '../pack/reader.js';
import { WindowedFile } from '../pack/windowed-file.js';
import { writePack } from '../pack/write-pack.js';
import type { WriteContext, WriteResult } from './write-context.js';

/*
 * Bundles: gitformat-bundle(5), version 2. What leads from a commit that the reader has to HEAD, under the
 * name of HEAD's branch: clients run `git pull --ff-only FILE BRANCH`.
 */

/** Raised whenever the same inputs begin to give other bytes. */
const FORMAT_VERSION = 2;

/** A bundle to be written; structured-cloneable. */
export interface BundleTask {
  readonly kind: 'bundle';
  /** The mirror's directory. */
  readonly mirror: string;
  readonly revision: MirrorRevision;
  /** A commit, 40 hex digits. */
  readonly base: string;
  /** The file to write: empty, and the caller's to remove. */
  readonly path: string;
  /** A directory that may be made, for the caller to remove. */
  readonly scratch: string;
  readonly limits: Limits;
}

/**
 * @throws SnapshotError `BASE_NOT_FOUND`, also when HEAD was moved back to where the base comes from: git
 *   makes no empty bundles either; as `writePack`.
 */
export async function writeBundle(task: BundleTask, context: WriteContext): Promise<WriteResult> {
  const { mirror, revision, base, scratch, limits } = task;
  const { head } = revision;
  // A base may be a commit that was asked for by its id.
  const paths = packPaths(mirror, packsOf(revision));
  const reader = new ObjectReader(paths, limits, context.memory);
  try {
    if (reader.isCommit(base) !== true || head.oid === undefined) {
      throw new SnapshotError('BASE_NOT_FOUND', `${base} is no commit of the mirror`);
    }
    const walk = { include: [head.oid], exclude: [base], signal: context.signal };
    const { objects } = reachableObjects(reader, walk);
    if (objects.size === 0) {
      throw new SnapshotError('BASE_NOT_FOUND', `there is nothing that ${base} lacks`);
    }
    mkdirSync(scratch);
    const pack = await writePack(reader, objects, scratch, { ...context, limits });
    const basis = bundleBasis(head);
    const hash = createHash('sha256').update(
      JSON.stringify([FORMAT_VERSION, base, basis, pack.name]),
    );
    const etag = `"${hash.digest('base64url').slice(0, 32)}"`;
    context.emit({ kind: 'planned', etag, commit: head.oid, basis });
    const header = Buffer.from(`# v2 git bundle\n-${base} \n${basis}\n\n`, 'latin1');
    return { size: writeFiles(task.path, header, join(scratch, `${pack.name}.pack`)) };
  } finally {
    reader.close();
  }
}

const PIECE_BYTES = 1024 * 1024;

/** @returns bytes in all. */
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
