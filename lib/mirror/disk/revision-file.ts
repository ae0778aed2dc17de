import { link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { retry } from '../../async/retry.js';
import { hasCode, isDamage, SnapshotError, systemCode } from '../../errors.js';
import { isNoFile, isUnsupported, readFailure, unlessMissing } from '../../fs/errors.js';
import { temporaryName } from '../../fs/temporary.js';
import { OID_PATTERN } from '../../git/object.js';
import { isValidRefName } from '../../git/refs.js';
import { revisionDirectory, revisionPath } from './layout.js';
import {
  MAX_ATTEMPTS,
  type MirrorRevision,
  type RevisionContent,
  type RevisionOnDisk,
} from './revision.js';

// Worker threads do not import this file: they start faster without zod.

const FORMAT = 4;

/** The file of a revision in a directory that has its name. */
const INNER_NAME = 'revision.json';

const oid = z.string().regex(OID_PATTERN);
const packs = z.array(z.string().regex(/^pack-[0-9a-f]{40}$/));
const branch = z.string().refine((name) => name.startsWith('refs/heads/') && isValidRefName(name));
const schema = z.strictObject({
  format: z.literal(FORMAT),
  repository: z.strictObject({ host: z.string(), path: z.string() }),
  clone: z.string().regex(/^[0-9a-f]{16}$/),
  packs,
  head: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('branch'), ref: branch, oid: oid.optional() }),
    z.strictObject({ kind: z.literal('detached'), oid }),
  ]),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  pinned: z.strictObject({ commits: z.array(oid), packs }),
  garbageSince: z.number().optional(),
  prunings: z.number().int().min(0),
  isConnected: z.boolean(),
});

/**
 * Reads the current revision of a mirror; `undefined` when there is none.
 *
 * @throws SnapshotError `MIRROR_CORRUPTED`; another code when it can't be read at the moment.
 */
export async function readRevision(mirror: string): Promise<MirrorRevision | undefined> {
  const exhausted = () =>
    new SnapshotError('MIRROR_CORRUPTED', `the revisions of ${mirror} keep vanishing`);
  const latest = await retry(MAX_ATTEMPTS, () => readLatest(mirror), exhausted);
  return latest === 'none' ? undefined : latest;
}

/** @returns `undefined` when another process has removed the revision meanwhile. */
async function readLatest(mirror: string): Promise<MirrorRevision | 'none' | undefined> {
  try {
    const number = (await revisionNumbers(mirror)).at(-1);
    if (number === undefined) return 'none';
    const text = await readText(revisionPath(mirror, number));
    return { ...parseRevision(text, mirror), number };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw readFailure(error);
  }
}

/**
 * Whether there is a later revision, or no mirror any more. A damaged revision supersedes nothing.
 *
 * @throws SnapshotError when the current revision can't be read at the moment.
 */
export async function isSuperseded({ directory, revision }: RevisionOnDisk): Promise<boolean> {
  try {
    const current = await readRevision(directory);
    return current?.clone !== revision.clone || current.number !== revision.number;
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}

/** Whether work on a revision failed because another process has superseded and removed it. */
export async function failedAsSuperseded(read: RevisionOnDisk, error: unknown): Promise<boolean> {
  const isMissing = isDamage(error) || systemCode(error) === 'ENOENT';
  return isMissing && (await isSuperseded(read));
}

/**
 * Publishes a revision as the successor of another one.
 *
 * @param after number of its predecessor; 0 for the first revision of a mirror.
 * @returns `undefined` when another process has published a revision meanwhile, before or after
 * this one. Then the caller must read the current revision again: it may have this content.
 */
export async function publishRevision(
  mirror: string,
  after: number,
  content: RevisionContent,
): Promise<MirrorRevision | undefined> {
  const number = after + 1;
  const temporary = join(revisionDirectory(mirror), temporaryName('revision'));
  // The number is the name of the file.
  const text = JSON.stringify({ format: FORMAT, ...content, number: undefined }, undefined, 2);
  await writeFile(temporary, `${text}\n`, { flag: 'wx' });
  try {
    if (!(await giveName(temporary, revisionPath(mirror, number)))) return undefined;
  } finally {
    await rm(temporary, { force: true });
  }
  // Either a later revision followed at once, or a superseded one with this number was removed.
  if ((await revisionNumbers(mirror)).at(-1) !== number) {
    await removeRevision(mirror, number);
    return undefined;
  }
  return { ...content, number };
}

/**
 * Gives a complete file its name, unless the name is taken: by a hard link. On a file system without
 * hard links, the file moves into a new directory, which gets the name: a directory replaces no
 * other that has files.
 *
 * @returns whether the name was free.
 */
async function giveName(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    if (!isUnsupported(error)) throw error;
  }
  const directory = `${temporary}${temporaryName('')}`;
  try {
    await mkdir(directory);
    await rename(temporary, join(directory, INNER_NAME));
    await rename(directory, path);
    return true;
  } catch (error) {
    // File systems differ in what they answer.
    if ((await unlessMissing(stat(path))) === undefined) throw error;
    return false;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // On Windows, EPERM or EACCES.
    if (!hasCode(error, 'EISDIR', 'EPERM', 'EACCES')) throw error;
    return await readFile(join(path, INNER_NAME), 'utf8').catch(() => {
      throw error;
    });
  }
}

/** Does nothing when it is gone. */
export async function removeRevision(mirror: string, number: number): Promise<void> {
  await rm(revisionPath(mirror, number), { recursive: true, force: true });
}

/** In ascending order. */
export async function revisionNumbers(mirror: string): Promise<number[]> {
  const names = await readdir(revisionDirectory(mirror)).catch((error: unknown) => {
    if (isNoFile(error)) return [];
    throw error;
  });
  return names.flatMap((name) => revisionNumber(name) ?? []).sort((a, b) => a - b);
}

/** The number of the revision in a file with this name; `undefined` for any other file. */
export function revisionNumber(name: string): number | undefined {
  const [, number] = /^([1-9]\d{0,14})\.json$/.exec(name) ?? [];
  return number === undefined ? undefined : Number(number);
}

/** @throws SnapshotError `MIRROR_CORRUPTED` */
export function parseRevision(text: string, mirror: string): RevisionContent {
  try {
    const { format: _, head, garbageSince, ...rest } = schema.parse(JSON.parse(text));
    // JSON omits undefined properties.
    const completeHead = head.kind === 'branch' ? { ...head, oid: head.oid } : head;
    return { ...rest, head: completeHead, garbageSince };
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof z.ZodError)) throw cause;
    const message = `the revision of ${mirror} is damaged`;
    throw new SnapshotError('MIRROR_CORRUPTED', message, { cause });
  }
}
