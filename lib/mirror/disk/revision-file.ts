import { link, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { hasCode, isDamage, SnapshotError } from '../../errors.js';
import { isNoFile, readFailure } from '../../fs/errors.js';
import { temporaryName } from '../../fs/temporary.js';
import { OID_PATTERN } from '../../git/object.js';
import { isValidRefName } from '../../git/refs.js';
import { type MirrorRevision, revisionDirectory, revisionPath } from './revision.js';

/*
 * The files of revisions. Apart from what names them, because worker threads start faster without zod.
 */

const FORMAT = 4;
const MAX_READ_ATTEMPTS = 5;

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

function encodeRevision(revision: Omit<MirrorRevision, 'number'>): string {
  const { repository, clone, packs, head, digest, pinned, garbageSince, prunings, isConnected } =
    revision;
  const data = {
    format: FORMAT,
    repository,
    clone,
    packs,
    head,
    digest,
    pinned,
    garbageSince,
    prunings,
    isConnected,
  };
  return `${JSON.stringify(data, undefined, 2)}\n`;
}

/**
 * The current revision of a mirror; `undefined` when there is none.
 *
 * @throws SnapshotError `REPOSITORY_DAMAGED` when its file is damaged; another code when it can't be read
 * at the moment.
 */
export async function readRevision(mirror: string): Promise<MirrorRevision | undefined> {
  for (let attempt = 0; attempt < MAX_READ_ATTEMPTS; attempt++) {
    try {
      const number = (await revisionNumbers(mirror)).at(-1);
      if (number === undefined) return undefined;
      const text = await readFile(revisionPath(mirror, number), 'utf8');
      return { ...parse(text, mirror), number };
    } catch (error) {
      // A newer one was published meanwhile, and this one removed.
      if (hasCode(error) && error.code === 'ENOENT') continue;
      throw readFailure(error);
    }
  }
  throw new SnapshotError('REPOSITORY_DAMAGED', `the revisions of ${mirror} keep vanishing`);
}

/**
 * Whether another revision than this is the current one by now, or none. One that is damaged is none that
 * came later.
 *
 * @throws SnapshotError when it can't be read at the moment.
 */
export async function isOutdated(
  mirror: string,
  { clone, number }: MirrorRevision,
): Promise<boolean> {
  try {
    const current = await readRevision(mirror);
    return current?.clone !== clone || current.number !== number;
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}

/**
 * Makes a revision the current one, as successor of revision `after`.
 *
 * @returns `undefined` when another process has published one since.
 */
export async function publishRevision(
  mirror: string,
  after: number,
  content: Omit<MirrorRevision, 'number'>,
): Promise<MirrorRevision | undefined> {
  const number = after + 1;
  const temporary = join(revisionDirectory(mirror), temporaryName('revision'));
  await writeFile(temporary, encodeRevision(content), { flag: 'wx' });
  try {
    await link(temporary, revisionPath(mirror, number));
  } catch (error) {
    if (hasCode(error) && error.code === 'EEXIST') return undefined;
    throw error;
  } finally {
    await unlink(temporary);
  }
  // The number was free because others have gone on and removed that one.
  if ((await revisionNumbers(mirror)).at(-1) !== number) {
    await rm(revisionPath(mirror, number), { force: true });
    return undefined;
  }
  return { ...content, number };
}

/** Ascending. */
export async function revisionNumbers(mirror: string): Promise<number[]> {
  const names = await readdir(revisionDirectory(mirror)).catch((error: unknown) => {
    if (isNoFile(error)) return [];
    throw error;
  });
  return names
    .flatMap((name) => /^([1-9]\d{0,14})\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

function parse(text: string, mirror: string): Omit<MirrorRevision, 'number'> {
  const damaged = (cause: unknown) =>
    new SnapshotError('REPOSITORY_DAMAGED', `the revision of ${mirror} is damaged`, { cause });
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw damaged(error);
  }
  const result = schema.safeParse(data);
  if (!result.success) throw damaged(result.error);
  const { format: _, head, garbageSince, ...rest } = result.data;
  const { kind } = head;
  return {
    ...rest,
    // JSON leaves out what is undefined.
    head: kind === 'branch' ? { kind, ref: head.ref, oid: head.oid } : head,
    garbageSince,
  };
}
