import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ref } from '../../git/refs.js';
import type { Checkout } from './checkout.js';
import type { Position } from './choose-commit.js';
import type { LocalObjects } from './local-objects.js';
import { type Receiving, receiveBundle } from './receive-bundle.js';
import { receiveSnapshot } from './receive-snapshot.js';

type Scratch = Omit<Receiving, 'objectDirectory'>;

const TRACKING = 'refs/remotes/origin/';

/** Where an update gets the upstream's state from. */
export interface UpdateSource {
  /**
   * The bundle from a commit to the upstream's HEAD. `newest`: the commit is HEAD. `undefined`: the
   * server offers none. The reader reads it to its end, or the caller closes it.
   */
  bundle(
    base: string,
    originUrl: string,
  ): Promise<AsyncIterable<Uint8Array> | 'newest' | undefined>;
  /** Unpacks `.git` of the snapshot into a path that does not exist yet. */
  snapshot(directory: string): Promise<void>;
}

/** The upstream's state, whose objects the checkout has. */
export interface Upstream extends Position {
  /** Remote-tracking branches and tags, as far as the server told. */
  readonly refs: Iterable<Ref>;
}

/**
 * Gets the objects that the checkout lacks: by a bundle if the server offers one, else by the
 * snapshot. No ref changes.
 */
export async function receiveUpstream(
  checkout: Checkout,
  objects: LocalObjects,
  source: UpdateSource,
  receiving: Scratch,
): Promise<Upstream> {
  const { scratch, memory } = receiving;
  const bundled = await receiveByBundle(checkout, objects, source, {
    ...receiving,
    scratch: join(scratch, 'bundle'),
  });
  if (bundled !== undefined) return bundled;
  const unpacked = join(scratch, 'snapshot');
  await source.snapshot(unpacked);
  return await receiveSnapshot(join(unpacked, '.git'), checkout, memory);
}

/** A bundle has the default branch, and no other refs. */
async function receiveByBundle(
  { refs, gitDirectory, originUrl, shallow }: Checkout,
  objects: LocalObjects,
  source: UpdateSource,
  receiving: Scratch,
): Promise<Upstream | undefined> {
  // A shallow history may lack parents of the bundle's commits.
  if (shallow.size > 0) return undefined;
  const tracked = await refs.targetOf(`${TRACKING}HEAD`);
  const base = tracked?.startsWith(TRACKING) ? await refs.read(tracked) : undefined;
  if (tracked === undefined || base === undefined || !objects.has(base)) return undefined;
  const bundle = await source.bundle(base, originUrl);
  if (bundle === undefined) return undefined;
  if (bundle === 'newest') {
    const ref = tracked.replace(TRACKING, 'refs/heads/');
    return { head: { ref }, commit: base, refs: [] };
  }
  await mkdir(receiving.scratch);
  const places = { objectDirectory: join(gitDirectory, 'objects'), ...receiving };
  const { ref, oid } = await receiveBundle(bundle, objects, places);
  const name = ref.replace('refs/heads/', TRACKING);
  return { head: { ref }, commit: oid, refs: [{ name, oid }] };
}
