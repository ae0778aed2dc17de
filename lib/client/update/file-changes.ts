import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { FileMode } from '../../checkout/git-index.js';
import type { IndexedFile, IndexedStat } from '../../checkout/read-index.js';
import { hasCode, limitExceeded } from '../../errors.js';
import { isNoFile } from '../../fs/errors.js';
import { writeFully } from '../../fs/sync-io.js';
import { unsupportedName } from '../entry-errors.js';
import { type Place, placesIn } from '../file-system.js';
import { creationMode } from '../modes.js';
import type { UnpackOptions } from '../unpack-options.js';
import type { FileContent } from './file-content.js';
import type { UpdatePlan } from './plan-update.js';
import type { TreeFile } from './tree-changes.js';
import { statOf, type WorkingTree } from './working-tree.js';

/** Files that are written before other work gets a turn. */
const BATCH = 64;
const NO_STAT: IndexedStat = {
  ctimeSeconds: 0,
  ctimeNanoseconds: 0,
  mtimeSeconds: 0,
  mtimeNanoseconds: 0,
  device: 0,
  inode: 0,
  uid: 0,
  gid: 0,
  size: 0,
};

/** New files in a directory of the same file system, by path. */
export interface StagedFiles {
  readonly places: ReadonlyMap<string, Place>;
  /** Paths that the platform or file system can't have. */
  readonly skipped: readonly string[];
}

interface StageOptions extends UnpackOptions {
  readonly content: FileContent;
  /** An empty directory. */
  readonly directory: string;
  readonly signal: AbortSignal | undefined;
  readonly onFile: () => void;
}

/**
 * Writes the new files of a plan, before the first file of the working tree changes: nothing that may
 * fail is left for later, such as a full disk.
 *
 * @throws SnapshotError `NAME_UNSUPPORTED`, `LIMIT_EXCEEDED`
 */
export async function stageFiles(
  { writes }: UpdatePlan,
  tree: WorkingTree,
  options: StageOptions,
): Promise<StagedFiles> {
  const { content, directory, signal, onFile, onUnsupported } = options;
  const place = placesIn(directory);
  const places = new Map<string, Place>();
  const skipped: string[] = [];
  let bytesLeft = options.maxBytes;
  if (writes.size > options.maxEntries) throw limitExceeded('maxEntries', 'too many files change');
  for (const [path, file] of writes) {
    const refusal = tree.refusalOf(path);
    if (refusal !== undefined) {
      if (onUnsupported === 'fail') throw unsupportedName(path, refusal);
      skipped.push(path);
      continue;
    }
    if (file.mode === FileMode.gitlink) continue;
    const staged = place(String(places.size));
    bytesLeft -= await writeStaged(staged, path, file, content, tree.symlinks);
    if (bytesLeft < 0) throw limitExceeded('maxBytes', 'the changed files have too many bytes');
    places.set(path, staged);
    onFile();
    if (places.size % BATCH !== 0) continue;
    await setImmediate();
    signal?.throwIfAborted();
  }
  return { places, skipped };
}

/** @returns the bytes of the file. */
async function writeStaged(
  staged: Place,
  path: string,
  file: TreeFile,
  content: FileContent,
  symlinks: boolean,
): Promise<number> {
  if (file.mode === FileMode.symlink && symlinks) {
    const target = content.read(path, file);
    symlinkSync(target, staged);
    return target.length;
  }
  const mode = creationMode(file.mode === FileMode.executable ? 0o755 : 0o644);
  const stream = content.stream(path, file);
  if (stream === undefined) {
    const bytes = content.read(path, file);
    writeFileSync(staged, bytes, { flag: 'wx', mode });
    return bytes.length;
  }
  let written = 0;
  const fd = openSync(staged, 'wx', mode);
  try {
    for await (const piece of stream) {
      writeFully(fd, piece);
      written += piece.length;
    }
  } finally {
    closeSync(fd);
  }
  return written;
}

/**
 * Changes the working tree, with nothing but removals and renames. A kill meanwhile leaves some files
 * old and some new: the next update completes them.
 *
 * @param isForced whether untracked files in the way go, too.
 * @returns the new entries of the index.
 */
export function applyChanges(
  { writes, removals }: UpdatePlan,
  { places, skipped }: StagedFiles,
  tree: WorkingTree,
  isForced: boolean,
): IndexedFile[] {
  const { place } = tree;
  const left = new Set(skipped);
  const emptied = new Set<string>();
  for (const path of removals) {
    if (tree.blockerOf(path) === undefined && removeFile(place(path))) emptied.add(path);
  }
  for (const path of emptied) removeEmptyParents(path, place);
  const entries: IndexedFile[] = [];
  for (const [path, file] of writes) {
    let stat = NO_STAT;
    if (!left.has(path)) {
      makeParents(path, place);
      const staged = places.get(path);
      if (staged === undefined) makeDirectory(place(path));
      else {
        clearDirectory(place(path), isForced);
        renameSync(staged, place(path));
        stat = statOf(lstatSync(place(path), { bigint: true }));
      }
    }
    entries.push({ path, ...file, stat, assumeValid: false, intentToAdd: false });
  }
  return entries;
}

/** @returns whether a parent may be empty now. */
function removeFile(place: Place): boolean {
  try {
    const stats = lstatSync(place);
    // A submodule's directory goes if it is empty, as in git.
    if (stats.isDirectory()) rmdirSync(place);
    else unlinkSync(place);
    return true;
  } catch (error) {
    if (isNoFile(error)) return true;
    if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

function removeEmptyParents(path: string, place: (path: string) => Place): void {
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    try {
      rmdirSync(place(path.slice(0, slash)));
    } catch (error) {
      if (hasCode(error, 'ENOTEMPTY', 'EEXIST', 'EBUSY', 'EPERM')) return;
      if (!isNoFile(error)) throw error;
    }
  }
}

/** Files in the place of directories were checked before: they are removed, or untracked and forced. */
function makeParents(path: string, place: (path: string) => Place): void {
  for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
    makeDirectory(place(path.slice(0, slash)));
  }
}

function makeDirectory(place: Place): void {
  const stats = lstatSync(place, { throwIfNoEntry: false });
  if (stats?.isDirectory()) return;
  if (stats !== undefined) unlinkSync(place);
  mkdirSync(place);
}

/** A directory in the place of a file has only empty directories, unless untracked files go, too. */
function clearDirectory(place: Place, isForced: boolean): void {
  if (!lstatSync(place, { throwIfNoEntry: false })?.isDirectory()) return;
  if (isForced) rmSync(place, { recursive: true, maxRetries: 5 });
  else removeEmptyTree(place);
}

function removeEmptyTree(place: Place): void {
  for (const name of readdirSync(place, { encoding: 'buffer' })) {
    removeEmptyTree(Buffer.concat([Buffer.from(place), Buffer.from('/'), name]));
  }
  rmdirSync(place);
}
