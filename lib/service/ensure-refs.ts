import type { BundleId, EnsuredRefs, WantedRefs } from '../artifact/artifact.js';
import { isUpstreamFailure, SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { refNameOf } from '../git/refs.js';
import type { MirrorQuery, QueryResult } from '../mirror/jobs/query.js';
import type { RepositoryId } from '../repository.js';
import { isMirroredRef } from '../upstream/advertisement.js';
import type { RefFinder } from './find-ref.js';
import { leaseMirror, type MirrorParts } from './lease-mirror.js';

/*
 * Questions that are answered from the mirror alone, and from the upstream where that does not do.
 */

interface Answer extends Pick<QueryResult, 'refs' | 'missing'> {
  /** HEAD's commit. */
  readonly head: string | undefined;
}

/** A mirror may turn out to be damaged. */
const MAX_ATTEMPTS = 3;

export interface QuestionParts extends MirrorParts {
  readonly search: RefFinder;
}

/** Commits that no branch or tag leads to, for which the upstream is asked one by one: for so many at most. */
const MAX_SEARCHED = 16;

/** As `ArtifactSource.ensureRefs`. */
export async function ensureRefs(
  repository: RepositoryId,
  { refs, commits }: WantedRefs,
  parts: QuestionParts,
  signal: AbortSignal,
): Promise<EnsuredRefs> {
  const { checks, search } = parts;
  const names = [...refs.keys()];
  const look = (objects: readonly string[]) =>
    lookUp(repository, { refs: names, commits: [], objects }, parts, signal);
  const isSatisfied = ({ refs: there, missing }: Answer) =>
    missing.length === 0 &&
    Array.from(refs).every(([name, oid]) => there.get(name)?.startsWith(oid.toLowerCase()));
  const time = performance.now();
  let { answer, isCloned: fetched } = await look(commits);
  const otherNames = names.filter((name) => name !== 'HEAD' && !isMirroredRef(name));
  let otherRefs: ReadonlyMap<string, string> = new Map();
  if (otherNames.length > 0) {
    otherRefs = await checks.checkOtherRefs(repository, otherNames.map(refNameOf));
    fetched = true;
  } else if (!isSatisfied(answer) && !fetched) {
    // Of many who ask at a time, some look after others have fetched.
    if (!checks.wasCheckedSince(repository, { time })) await checks.check(repository);
    fetched = true;
  }
  const objects = [...new Set([...commits, ...otherRefs.values()])];
  if (fetched) ({ answer } = await look(objects));
  const searched = answer.missing
    .map((oid) => oid.toLowerCase())
    .filter((oid) => OID_PATTERN.test(oid));
  for (const oid of searched.slice(0, MAX_SEARCHED)) await search.hasCommit(repository, oid);
  if (searched.length > 0) ({ answer } = await look(objects));
  const missing = new Set(answer.missing);
  const oidOf = (name: string) => {
    const other = otherRefs.get(refNameOf(name));
    return answer.refs.get(name) ?? (other === undefined || missing.has(other) ? '' : other);
  };
  return {
    refs: new Map(names.map((name) => [name, oidOf(name)])),
    missingCommits: commits.filter((oid) => missing.has(oid)),
    fetched,
  };
}

/** As `ArtifactSource.isUpToDate`. */
export async function isUpToDate(
  id: BundleId,
  parts: MirrorParts,
  signal: AbortSignal,
): Promise<boolean> {
  const { checks } = parts;
  const { base } = id;
  const look = () => lookUp(id, { refs: [], commits: [base], objects: [] }, parts, signal);
  let { answer, isCloned } = await look();
  // That it is up to date is said only after the upstream was asked for just this. A base that is not
  // known may be made up: for those it is not asked again and again.
  const isHead = answer.head === base;
  const isMissing = answer.missing.length > 0;
  if (!isCloned && (isHead || (isMissing && !checks.isThrottled(id)))) {
    try {
      await checks.check(id);
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
  what: MirrorQuery,
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
      const { refs, missing } = await mirrors.query(lease, what, signal);
      return { answer: { refs, missing, head: lease.revision.head.oid }, isCloned };
    } catch (error) {
      const isDamaged = await mirrors.setAsideIfDamaged(lease, error);
      if (!isDamaged || attempt === MAX_ATTEMPTS) throw error;
    } finally {
      lease.release();
    }
  }
}
