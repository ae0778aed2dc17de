import { isUpstreamFailure, SnapshotError } from '../errors.js';
import type { LookUpResult } from '../mirror/look-up.js';
import type { RepositoryId } from '../repository/identity.js';
import type { BundleId, EnsuredRefs, WantedRefs } from './artifact.js';
import { leaseMirror, type MirrorParts } from './lease-mirror.js';

/*
 * Questions that are answered from the mirror alone, and from the upstream where that does not do.
 */

interface Answer extends Pick<LookUpResult, 'refs' | 'missing'> {
  /** HEAD's commit. */
  readonly head: string | undefined;
}

/** A mirror may turn out to be damaged. */
const MAX_ATTEMPTS = 3;

/** As `ArtifactSource.ensureRefs`. */
export async function ensureRefs(
  repository: RepositoryId,
  { refs, commits }: WantedRefs,
  parts: MirrorParts,
  signal: AbortSignal,
): Promise<EnsuredRefs> {
  const look = () => lookUp(repository, { refs: [...refs.keys()], commits }, parts, signal);
  const isSatisfied = ({ refs: there, missing }: Answer) =>
    missing.length === 0 &&
    Array.from(refs).every(([name, oid]) => {
      const found = there.get(name);
      return found !== undefined && (oid === '' || found === oid);
    });
  const time = performance.now();
  let { answer, isCloned: fetched } = await look();
  if (!isSatisfied(answer) && !fetched) {
    // Of many who ask at a time, some look after others have fetched.
    const { freshness } = parts;
    if (!freshness.wasCheckedSince(repository, { time })) await freshness.check(repository);
    fetched = true;
    ({ answer } = await look());
  }
  return {
    refs: new Map(Array.from(refs.keys(), (name) => [name, answer.refs.get(name) ?? ''])),
    missingCommits: answer.missing,
    fetched,
  };
}

/** As `ArtifactSource.isUpToDate`. */
export async function isUpToDate(
  id: BundleId,
  parts: MirrorParts,
  signal: AbortSignal,
): Promise<boolean> {
  const { freshness } = parts;
  const { base } = id;
  const look = () => lookUp(id, { refs: [], commits: [base] }, parts, signal);
  let { answer, isCloned } = await look();
  // That it is up to date is said only after the upstream was asked for just this. A base that is not
  // known may be made up: for those it is not asked again and again.
  const isHead = answer.head === base;
  const isMissing = answer.missing.length > 0;
  if (!isCloned && (isHead || (isMissing && !freshness.isThrottled(id)))) {
    try {
      await freshness.check(id);
    } catch (error) {
      if (!isUpstreamFailure(error)) throw error;
      throw new SnapshotError('BASE_NOT_FOUND', `the upstream could not be asked for ${base}`, {
        cause: error,
      });
    }
    ({ answer } = await look());
  }
  if (answer.missing.length > 0) {
    throw new SnapshotError('BASE_NOT_FOUND', `the upstream has no commit ${base}`);
  }
  return answer.head === base;
}

async function lookUp(
  repository: RepositoryId,
  what: { refs: readonly string[]; commits: readonly string[] },
  parts: MirrorParts,
  signal: AbortSignal,
): Promise<{ answer: Answer; isCloned: boolean }> {
  const { mirrors } = parts;
  let isCloned = false;
  for (let attempt = 1; ; attempt++) {
    const leased = await leaseMirror(parts, repository, signal);
    const { lease } = leased;
    isCloned ||= leased.isCloned;
    try {
      const { refs, missing } = await mirrors.lookUp(lease, what, signal);
      return { answer: { refs, missing, head: lease.revision.head.oid }, isCloned };
    } catch (error) {
      const isDamaged = await mirrors.setAside(lease, error);
      if (!isDamaged || attempt === MAX_ATTEMPTS) throw error;
    } finally {
      lease.release();
    }
  }
}
