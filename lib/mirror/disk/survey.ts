import { closeSync, fstatSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hasCode } from '../../errors.js';
import { readFully } from '../../fs/sync-io.js';
import { isTemporaryName } from '../../fs/temporary.js';
import { encodeHead } from '../../git/refs.js';
import {
  lastUsedPath,
  packDirectory,
  packFiles,
  packPaths,
  refsName,
  refsPath,
  revisionDirectory,
} from './layout.js';
import {
  type Ends,
  IDX_HEAD_BYTES,
  isWholePack,
  PACK_HEAD_BYTES,
  TAIL_BYTES,
} from './pack-ends.js';
import { type MirrorRevision, packsOf } from './revision.js';

export interface SurveyedMirror {
  /** The file name and the text of its only revision. The text may not be valid. */
  readonly file: string;
  readonly text: string;
  /** Bytes of its packs and their idx files. */
  readonly bytes: number;
  readonly usedAt: number | undefined;
}

/**
 * Looks at a mirror that no process was changing when it ended: it has one revision, all its files,
 * and no others. Synchronously, because thousands of asynchronous calls cost ten times as much.
 * Changes nothing.
 *
 * @returns `undefined` for any other mirror: it needs a closer look.
 */
export function surveyMirror(mirror: string): SurveyedMirror | undefined {
  try {
    const names = readdirSync(revisionDirectory(mirror));
    const file = names.find((name) => name.endsWith('.json'));
    if (file === undefined || readdirSync(mirror).some(isTemporaryName)) return undefined;
    const text = readFileSync(join(revisionDirectory(mirror), file), 'utf8');
    // If the text is not valid, its reader does not use this result.
    const revision: MirrorRevision = JSON.parse(text);
    const files = [file, refsName(revision.digest)];
    if (!isSame(without(names, lastUsedPath('')), files)) return undefined;
    if (!isSame(readdirSync(packDirectory(mirror)), packFiles(packsOf(revision)))) return undefined;
    if (!isShownToGit(mirror, revision)) return undefined;
    let bytes = 0;
    for (const path of packPaths(mirror, packsOf(revision))) {
      const pack = readEnds(`${path}.pack`, PACK_HEAD_BYTES);
      const idx = readEnds(`${path}.idx`, IDX_HEAD_BYTES);
      if (!isWholePack(path, pack, idx)) return undefined;
      bytes += pack.size + idx.size;
    }
    const usedAt = statSync(lastUsedPath(mirror), { throwIfNoEntry: false })?.mtimeMs;
    return { file, text, bytes, usedAt };
  } catch (error) {
    // The closer look finds the reason.
    if (hasCode(error) || error instanceof SyntaxError || error instanceof TypeError) {
      return undefined;
    }
    throw error;
  }
}

/**
 * A process removes the earlier revision after it has shown a new one to git. So this can only be
 * false if another process, which has removed it, was faster than one that crashed.
 */
function isShownToGit(mirror: string, { head, digest, pinned }: MirrorRevision): boolean {
  if (!readFileSync(join(mirror, 'HEAD')).equals(encodeHead(head))) return false;
  const shown = statSync(join(mirror, 'packed-refs'));
  const refs = statSync(refsPath(mirror, digest));
  if (shown.size !== refs.size || shown.mtimeMs < refs.mtimeMs) return false;
  const directory = join(mirror, 'refs');
  const isPinned = readdirSync(directory).includes('pinned');
  return isSame(isPinned ? readdirSync(join(directory, 'pinned')) : [], pinned.commits);
}

/** @param headBytes at the start of the file. */
function readEnds(path: string, headBytes: number): Ends {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const head = Buffer.alloc(headBytes);
    const tail = Buffer.alloc(TAIL_BYTES);
    readFully(file, head, 0);
    readFully(file, tail, Math.max(size - TAIL_BYTES, 0));
    return { size, head, tail };
  } finally {
    closeSync(file);
  }
}

function without(names: readonly string[], path: string): string[] {
  return names.filter((name) => name !== basename(path));
}

function isSame(names: readonly string[], others: readonly string[]): boolean {
  return names.length === others.length && [...names].sort().join() === [...others].sort().join();
}
