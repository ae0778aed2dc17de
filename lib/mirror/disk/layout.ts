import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { damagedFile, readFailure, unlessMissing } from '../../fs/errors.js';
import { temporaryName } from '../../fs/temporary.js';
import { quoteConfigValue } from '../../git/config.js';
import { parsePackedRefs, type RefList } from '../../git/ref-list.js';
import { encodeHead } from '../../git/refs.js';
import {
  digestRefs,
  type MirrorRevision,
  refsName,
  refsPath,
  revisionDirectory,
} from './revision.js';

/*
 * A mirror on disk: a bare repository that git accepts (gitrepository-layout(5)), with a directory of
 * ours that holds its revisions. What this library reads is the current revision and what that names;
 * `config`, `HEAD` and the refs beside it are there for git.
 */

/** Refs of this name hold the commits that clients asked for by id. */
const PINNED_REFS = join('refs', 'pinned');

export function packDirectory(mirror: string): string {
  return join(mirror, 'objects', 'pack');
}

/** Paths of packs and their idx files, without ending. */
export function packPaths(mirror: string, packs: readonly string[]): string[] {
  return packs.map((name) => join(packDirectory(mirror), name));
}

/** Makes the directories that git wants, so that packs can arrive. */
export async function createMirrorDirectories(mirror: string): Promise<void> {
  await mkdir(packDirectory(mirror), { recursive: true });
  await mkdir(join(mirror, 'refs'), { recursive: true });
  await mkdir(revisionDirectory(mirror));
}

/** @param upstreamUrl where it was fetched from; no credentials. */
export async function writeConfig(mirror: string, upstreamUrl: string): Promise<void> {
  await writeFile(join(mirror, 'config'), config(upstreamUrl));
}

/** Shows a revision to git: the refs, then HEAD. */
export async function showToGit(
  mirror: string,
  { head, digest, pinned }: Pick<MirrorRevision, 'head' | 'digest' | 'pinned'>,
): Promise<void> {
  const place = (path: string, write: (temporary: string) => Promise<void>) =>
    putInPlace(join(mirror, path), write);
  await place('packed-refs', (path) => copyFile(refsPath(mirror, digest), path));
  await place('HEAD', (path) => writeFile(path, encodeHead(head)));
  await rm(join(mirror, PINNED_REFS), { recursive: true, force: true });
  if (pinned.commits.length === 0) return;
  await mkdir(join(mirror, PINNED_REFS), { recursive: true });
  for (const oid of pinned.commits) {
    await writeFile(join(mirror, PINNED_REFS, oid), `${oid}\n`);
  }
}

/** Whether that is what git sees. A process may have crashed after it had published a revision. */
export async function isShownToGit(
  mirror: string,
  { head, digest, pinned }: Pick<MirrorRevision, 'head' | 'digest' | 'pinned'>,
): Promise<boolean> {
  const isThere = async (path: string, content: Buffer) =>
    (await unlessMissing(readFile(join(mirror, path))))?.equals(content) === true;
  if (!(await isThere('HEAD', encodeHead(head)))) return false;
  if (!(await isThere('packed-refs', await readFile(refsPath(mirror, digest))))) return false;
  const shown = (await unlessMissing(readdir(join(mirror, PINNED_REFS)))) ?? [];
  return shown.sort().join() === [...pinned.commits].sort().join();
}

async function putInPlace(
  path: string,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = path + temporaryName('');
  try {
    await write(temporary);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Writes the refs that a revision will name by their digest, to where `refsPath` says or to be moved there.
 *
 * @param directory where revisions are; or where they wait to be moved there.
 *
 * Synchronous, as is the reading: only for worker threads. A thread that is ended while it opens a file
 * asynchronously leaks the descriptor.
 */
export function writeRefs(directory: string, digest: string, refs: RefList): void {
  const path = join(directory, refsName(digest));
  const temporary = path + temporaryName('');
  writeFileSync(temporary, refs.packed, { flag: 'wx' });
  renameSync(temporary, path);
}

/**
 * The refs of a revision, which with its HEAD have the digest that they are named by.
 *
 * @throws SnapshotError `REPOSITORY_DAMAGED`, also when they are gone.
 */
export function readRefs(
  mirror: string,
  { head, digest }: Pick<MirrorRevision, 'head' | 'digest'>,
): RefList {
  const path = refsPath(mirror, digest);
  let refs: RefList;
  try {
    refs = parsePackedRefs(readFileSync(path));
  } catch (error) {
    throw readFailure(error);
  }
  if (digestRefs(head, refs) === digest) return refs;
  throw damagedFile(path);
}

/** Ids of what HEAD and the refs of a revision name, as often as wanted. @throws SnapshotError as `readRefs`. */
export function readTips(mirror: string, revision: MirrorRevision): Iterable<string> {
  const refs = readRefs(mirror, revision);
  const { oid } = revision.head;
  return {
    *[Symbol.iterator]() {
      yield* refs.oids();
      if (oid !== undefined) yield oid;
    },
  };
}

function config(upstreamUrl: string): string {
  return [
    '[core]',
    '\trepositoryformatversion = 0',
    '\tfilemode = true',
    '\tbare = true',
    '[remote "origin"]',
    `\turl = ${quoteConfigValue(upstreamUrl)}`,
    '\tfetch = +refs/heads/*:refs/heads/*',
    '\tfetch = +refs/tags/*:refs/tags/*',
    '',
  ].join('\n');
}
