import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { bundleEtag, incrementalBasis } from '../artifact/etag.js';
import { SnapshotError } from '../errors.js';
import { damagedFile } from '../fs/errors.js';
import { reachableObjects } from '../history/reachable-objects.js';
import { packPaths } from '../mirror/disk/layout.js';
import { readRefs, tipsOf } from '../mirror/disk/refs-file.js';
import { packsOf } from '../mirror/disk/revision.js';
import { PACK_TRAILER_BYTES } from '../pack/format.js';
import { type ObjectReader, withReader } from '../pack/reader.js';
import { writeScratchPack } from './scratch-pack.js';
import type { ArtifactTask, WriteContext, WriteResult } from './write-context.js';

const PIECE_BYTES = 1024 * 1024;

export interface BundleTask extends ArtifactTask {
  readonly kind: 'bundle';
  /** A commit, 40 hex digits; `undefined` for a bundle of all branches and tags. */
  readonly base: string | undefined;
}

/** A bundle but for its first line. */
interface Content {
  /** `-{commit} ` for each commit that the client must have, then `{oid} {ref}` for each ref. */
  readonly lines: readonly string[];
  readonly basis: string;
  /** Path of the pack, without ending. */
  readonly pack: string;
}

/**
 * Writes a bundle (gitformat-bundle(5), version 2).
 *
 * @throws SnapshotError `REF_NOT_FOUND` when there is neither branch nor tag, `BASE_NOT_FOUND`,
 * `MIRROR_CORRUPTED`. Other errors as `writePack`.
 */
export async function writeBundle(task: BundleTask, context: WriteContext): Promise<WriteResult> {
  const { mirror, revision, base, limits } = task;
  const { memory } = context;
  // The base may be a pinned commit.
  const packs = packPaths(mirror, base === undefined ? revision.packs : packsOf(revision));
  return await withReader(packs, { limits, memory }, async (reader) => {
    const { lines, basis, pack } = await (base === undefined
      ? allRefs(task, context, reader, packs)
      : fromBase(task, context, reader, base));
    const etag = bundleEtag(base, basis, basename(pack));
    context.emit({ kind: 'planned', etag, commit: revision.head.oid, basis });
    const header = Buffer.from(`# v2 git bundle\n${lines.join('\n')}\n\n`, 'latin1');
    await writeFile(task.path, withPack(header, pack, context), { flag: 'r+' });
    return { size: (await stat(task.path)).size };
  });
}

/**
 * All branches and tags, and HEAD, as `git bundle create --all` writes them. A mirror mostly has one
 * pack, which is copied, with its unreachable objects.
 */
async function allRefs(
  task: BundleTask,
  context: WriteContext,
  reader: ObjectReader,
  packs: readonly string[],
): Promise<Content> {
  const { head, digest } = task.revision;
  const refs = readRefs(task.mirror, task.revision);
  const lines = Array.from(refs, ({ oid, name }) => `${oid} ${name}`);
  if (head.oid !== undefined) lines.push(`${head.oid} HEAD`);
  if (lines.length === 0) throw new SnapshotError('REF_NOT_FOUND', 'there is no branch and no tag');
  const [only, ...others] = packs;
  if (only !== undefined && others.length === 0) return { lines, basis: digest, pack: only };
  const walk = { include: tipsOf(head, refs), signal: context.signal };
  const { objects } = reachableObjects(reader, walk);
  return { lines, basis: digest, pack: await writeScratchPack(task, context, reader, objects) };
}

/**
 * The commits from a base to HEAD, with HEAD's branch as the only ref: clients run
 * `git pull --ff-only FILE BRANCH`. When HEAD moved back to an ancestor of the base, there is none:
 * git, too, refuses to create an empty bundle.
 */
async function fromBase(
  task: BundleTask,
  context: WriteContext,
  reader: ObjectReader,
  base: string,
): Promise<Content> {
  const { head } = task.revision;
  if (reader.isCommit(base) !== true || head.oid === undefined) {
    throw new SnapshotError('BASE_NOT_FOUND', `${base} is no commit of the mirror`);
  }
  const walk = { include: [head.oid], exclude: [base], signal: context.signal };
  const { objects } = reachableObjects(reader, walk);
  if (objects.size === 0) {
    throw new SnapshotError('BASE_NOT_FOUND', `HEAD has no objects that ${base} lacks`);
  }
  const basis = incrementalBasis(head);
  const pack = await writeScratchPack(task, context, reader, objects);
  return { lines: [`-${base} `, basis], basis, pack };
}

/**
 * Yields the bundle's bytes, and announces those that were taken. Hashes the pack meanwhile: the disk
 * may have damaged the file since it was verified.
 */
async function* withPack(
  header: Buffer,
  pack: string,
  { emit, signal }: WriteContext,
): AsyncGenerator<Buffer> {
  yield header;
  const path = `${pack}.pack`;
  const hash = createHash('sha1');
  let bytes = header.length;
  let last = Buffer.alloc(0);
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES, signal })) {
    const pending = Buffer.concat([last, piece]);
    const end = pending.length - PACK_TRAILER_BYTES;
    if (end > 0) hash.update(pending.subarray(0, end));
    last = pending.subarray(Math.max(end, 0));
    yield piece;
    bytes += piece.length;
    emit({ kind: 'written', bytes });
  }
  const digest = hash.digest();
  if (!digest.equals(last) || basename(pack) !== `pack-${digest.toString('hex')}`) {
    throw damagedFile(path);
  }
}
