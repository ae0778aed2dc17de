import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../../fs/errors.js';
import type { Ref } from '../../git/refs.js';
import type { ObjectMemory } from '../../pack/object-memory.js';
import { withReader } from '../../pack/reader.js';
import { type Checkout, readConfig, readShallow } from './checkout.js';
import { invalidUpdate, unsupported } from './errors.js';
import { UPDATE_LIMITS } from './limits.js';
import { type LocalHead, LocalRefs } from './local-refs.js';
import { replaceLocked } from './lock-file.js';
import { movePack } from './receive-bundle.js';

/** Where a snapshot's HEAD is, and its refs. */
export interface SnapshotRefs {
  readonly head: LocalHead;
  /** The commit of HEAD; `undefined` in a repository without commits. */
  readonly commit: string | undefined;
  /** Remote-tracking branches and tags. */
  readonly refs: Iterable<Ref>;
}

/**
 * Adds the objects of an unpacked snapshot of the same repository to a checkout. No ref changes.
 *
 * @param unpacked the snapshot's `.git`, in the same file system.
 * @throws SnapshotError `CHECKOUT_UNSUPPORTED` for a snapshot of another repository.
 */
export async function receiveSnapshot(
  unpacked: string,
  { gitDirectory, originUrl, shallow }: Checkout,
  memory: ObjectMemory,
): Promise<SnapshotRefs> {
  const config = await readConfig(join(unpacked, 'config'));
  const url = config.text('remote.origin.url') ?? '';
  if (comparable(url) !== comparable(originUrl)) {
    throw unsupported(`it is of ${withoutCredentials(originUrl)}, and the snapshot of ${url}`);
  }
  const from = join(unpacked, 'objects/pack');
  const to = join(gitDirectory, 'objects/pack');
  await mkdir(to, { recursive: true });
  const added = await readShallow(unpacked);
  // Before the objects: a history that is cut too early is complete, one that is cut too late is not.
  await writeShallow(gitDirectory, shallow, new Set([...shallow, ...added]));
  const files = (await unlessMissing(readdir(from))) ?? [];
  const packs = files.filter((file) => file.endsWith('.idx')).map((file) => file.slice(0, -4));
  for (const pack of packs) await movePack(from, to, pack);
  if (shallow.size > 0 && added.size === 0) {
    const places = packs.map((pack) => join(to, pack));
    await writeShallow(gitDirectory, shallow, await missingFrom(places, shallow, memory));
  }
  const refs = new LocalRefs(unpacked);
  const head = await refs.head();
  if ('ref' in head && !head.ref.startsWith('refs/heads/')) {
    throw invalidUpdate("the snapshot's HEAD is no branch");
  }
  const commit = 'ref' in head ? await refs.read(head.ref) : head.oid;
  // No others: refs/replace, for one, would change what git reads.
  const isFetched = ({ name }: Ref) => /^refs\/(?:remotes\/origin|tags)\//.test(name);
  return { head, commit, refs: [...(await refs.packed())].filter(isFetched) };
}

/** As after `git fetch --depth`, both histories are cut. As after `--unshallow`, a whole one is not. */
async function writeShallow(
  gitDirectory: string,
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
): Promise<void> {
  if (before.size === after.size) return;
  const path = join(gitDirectory, 'shallow');
  if (after.size === 0) return await rm(path);
  const content = Buffer.from(
    [...after]
      .sort()
      .map((oid) => `${oid}\n`)
      .join(''),
  );
  await replaceLocked(path, gitDirectory, async () => content);
}

async function missingFrom(
  packs: readonly string[],
  oids: Iterable<string>,
  memory: ObjectMemory,
): Promise<Set<string>> {
  const context = { limits: UPDATE_LIMITS, memory };
  return await withReader(
    packs,
    context,
    (reader) => new Set([...oids].filter((oid) => !reader.has(oid))),
  );
}

/**
 * Addresses of one repository differ in these ways. Many hosts ignore case, and their snapshots have
 * an origin in lower case.
 */
function comparable(url: string): string {
  return withoutCredentials(url)
    .toLowerCase()
    .replace(/\/+$/, '')
    .replace(/\.git$/, '');
}

function withoutCredentials(url: string): string {
  return url.replace(/^([a-z]+:\/\/)[^/@]*@/i, '$1');
}
