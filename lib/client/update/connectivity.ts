import { setImmediate } from 'node:timers/promises';
import { parseCommit, parseTagTarget } from '../../git/commit.js';
import { ObjectType } from '../../git/object.js';
import { parseTree } from '../../git/tree.js';
import type { ObjectMemory } from '../../pack/object-memory.js';
import { type GitObject, withReader } from '../../pack/reader.js';
import { invalidUpdate } from './errors.js';
import { UPDATE_LIMITS } from './limits.js';
import type { LocalObjects } from './local-objects.js';

/** Objects that are read before other work gets a turn. */
const BATCH = 1000;

/**
 * Refuses a new pack whose objects name one that neither the pack nor the checkout has. What the
 * checkout has is complete: that is the rule of every repository.
 *
 * @param pack its path, without ending.
 * @param tip the id of an object that must be there, too.
 * @throws SnapshotError `ARCHIVE_INVALID`; the signal's reason.
 */
export async function refuseIncomplete(
  pack: string,
  tip: string,
  objects: LocalObjects,
  { memory, signal }: { memory: ObjectMemory; signal: AbortSignal | undefined },
): Promise<void> {
  await withReader([pack], { limits: UPDATE_LIMITS, memory }, async (packed) => {
    // Trees of neighbouring commits name nearly the same objects.
    const found = new Set<string>();
    const require = (oid: string) => {
      if (found.has(oid)) return;
      if (!packed.has(oid) && !objects.has(oid)) {
        throw invalidUpdate(`the bundle lacks object ${oid}`);
      }
      found.add(oid);
    };
    require(tip);
    for (let number = 0; number < packed.objectCount; number++) {
      if (number % BATCH === 0) {
        await setImmediate();
        signal?.throwIfAborted();
      }
      if (packed.typeOfNumber(number) === ObjectType.blob) continue;
      for (const oid of namedBy(packed.readNumber(number))) require(oid);
    }
  });
}

function* namedBy({ type, data }: GitObject): Generator<string> {
  if (type === ObjectType.tag) yield parseTagTarget(data);
  else if (type === ObjectType.tree) {
    for (const { kind, oid } of parseTree(data)) if (kind !== 'gitlink') yield oid;
  } else if (type === ObjectType.commit) {
    const { tree, parents } = parseCommit(data);
    for (const oid of [tree, ...parents]) yield oid.toString('hex');
  }
}
