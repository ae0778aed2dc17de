import type { EnsuredRefs, WantedRefs } from '../artifact/artifact.js';
import { defaultSnapshot, type IncrementalBundleId } from '../artifact/id.js';
import { unlessAborted } from '../async/abort.js';
import { now } from '../async/clock.js';
import { retry } from '../async/retry.js';
import type { SignalOptions } from '../async/signal-options.js';
import { isUpstreamFailure, SnapshotError } from '../errors.js';
import { OID_PATTERN } from '../git/object.js';
import { isValidRefName, refNameOf } from '../git/refs.js';
import type { MirrorQuery, QueryResult } from '../mirror/jobs/query.js';
import { keepsVanishing } from '../mirror/mirrors.js';
import type { RepositoryId } from '../repository.js';
import { isMirroredRef } from '../upstream/advertisement.js';
import type { RequestParts } from './requests.js';

interface Answer extends Pick<QueryResult, 'refs' | 'missing'> {
  /** HEAD's commit. */
  readonly head: string | undefined;
  readonly isCloned: boolean;
}

/** A mirror may turn out to be damaged. */
const MAX_ATTEMPTS = 3;
/** The most unreachable commits that one call fetches from the upstream. */
const MAX_SEARCHED = 16;

/**
 * Answers clients' queries to mirrors. Clones or fetches first if the mirror can't give the answer.
 * When the client leaves, its query begins no new work; shared work continues. Ids are canonical.
 */
export class MirrorQueries {
  readonly #parts: RequestParts;

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  /** As `SnapshotService.ensureRefs`. */
  async ensureRefs(
    repository: RepositoryId,
    { refs, commits }: WantedRefs,
    { signal }: SignalOptions = {},
  ): Promise<EnsuredRefs> {
    const nowhere = new Map(Array.from(refs.keys(), (name) => [name, '']));
    const possible = new Map([...refs].filter(([name]) => mayExist(name)));
    if (refs.size > 0 && possible.size + commits.length === 0) {
      return { refs: nowhere, missingCommits: [], fetched: false };
    }
    const ensured = await this.#answer(repository, signal, () =>
      this.#ensureRefs(repository, { refs: possible, commits }, signal),
    );
    return { ...ensured, refs: new Map([...nowhere, ...ensured.refs]) };
  }

  /** As `SnapshotService.isHead`. */
  isHead(id: IncrementalBundleId, { signal }: SignalOptions = {}): Promise<boolean> {
    return this.#answer(id.repository, signal, () => this.#isHead(id, signal));
  }

  async #answer<T>(
    repository: RepositoryId,
    signal: AbortSignal | undefined,
    query: () => Promise<T>,
  ): Promise<T> {
    const { mirrors, checks, refresher, pending, started, stopping } = this.#parts;
    stopping.throwIfAborted();
    const leave = pending.enterQuery(repository);
    try {
      await checks.throwIfRefused(repository, signal);
      await unlessAborted(started(), signal);
      // Objects that are fetched for one part of the answer must still be there for the next part.
      const endKeep = mirrors.keep(repository);
      const answered = await query().finally(endKeep);
      refresher.noteRequest(repository);
      refresher.rebuildSoon(defaultSnapshot(repository));
      return answered;
    } finally {
      leave();
    }
  }

  async #ensureRefs(
    repository: RepositoryId,
    { refs, commits }: WantedRefs,
    signal: AbortSignal | undefined,
  ): Promise<EnsuredRefs> {
    const { known, checks } = this.#parts;
    const names = [...refs.keys()];
    const query = (objects: readonly string[]) =>
      this.#query(repository, { refs: names, commits: [], objects }, signal);
    const isSatisfied = ({ refs: found, missing }: Answer) =>
      missing.length === 0 &&
      Array.from(refs).every(([name, oid]) => found.get(name)?.startsWith(oid.toLowerCase()));
    const time = now();
    let answer = await query(commits);
    let { isCloned: fetched } = answer;
    const otherNames = names.filter((name) => name !== 'HEAD' && !isMirroredRef(name));
    let otherRefs: ReadonlyMap<string, string> = new Map();
    if (otherNames.length > 0) {
      const checking = checks.checkOtherRefs(repository, otherNames.map(refNameOf));
      otherRefs = await unlessAborted(checking, signal);
      fetched = true;
    } else if (!isSatisfied(answer) && !fetched) {
      // Another call may have fetched meanwhile.
      const isChecked = known.wasCheckedSince(repository, { time });
      if (!isChecked) await unlessAborted(checks.check(repository), signal);
      fetched = true;
    }
    const objects = [...new Set([...commits, ...otherRefs.values()])];
    if (fetched) answer = await query(objects);
    const searched = answer.missing
      .map((oid) => oid.toLowerCase())
      .filter((oid) => OID_PATTERN.test(oid))
      .slice(0, MAX_SEARCHED);
    if (searched.length > 0) {
      answer = await this.#search(repository, searched, signal, () => query(objects));
    }
    const missing = new Set(answer.missing);
    const found = answer.refs;
    const oidOf = (name: string) => {
      const other = otherRefs.get(refNameOf(name));
      return found.get(name) ?? (other === undefined || missing.has(other) ? '' : other);
    };
    return {
      refs: new Map(names.map((name) => [name, oidOf(name)])),
      missingCommits: commits.filter((oid) => missing.has(oid)),
      fetched,
    };
  }

  /** Fetches commits that may be unreachable, then queries the mirror. */
  async #search(
    repository: RepositoryId,
    commits: readonly string[],
    signal: AbortSignal | undefined,
    query: () => Promise<Answer>,
  ): Promise<Answer> {
    return await retry(
      MAX_ATTEMPTS,
      async () => {
        const given = new Set<string>();
        for (const oid of commits) {
          const fetching = this.#parts.refFinder.hasCommit(repository, oid);
          if (await unlessAborted(fetching, signal)) given.add(oid);
        }
        const answer = await query();
        // If the mirror was evicted since, the fetched commits are gone.
        return answer.missing.some((oid) => given.has(oid.toLowerCase())) ? undefined : answer;
      },
      keepsVanishing,
    );
  }

  async #isHead(
    { repository, base }: IncrementalBundleId,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { known, checks } = this.#parts;
    const query = () => this.#query(repository, { refs: [], commits: [base], objects: [] }, signal);
    let answer = await query();
    const isHead = answer.head === base;
    const isMissing = answer.missing.length > 0;
    // A client may have made up an unknown base: it must not cause one check after another.
    if (!answer.isCloned && (isHead || (isMissing && !known.isThrottled(repository)))) {
      try {
        await unlessAborted(checks.check(repository), signal);
      } catch (error) {
        if (!isUpstreamFailure(error)) throw error;
        const message = `the upstream could not be asked for ${base}`;
        throw new SnapshotError('BASE_NOT_FOUND', message, { cause: error });
      }
      answer = await query();
    }
    if (answer.missing.length > 0) {
      throw new SnapshotError('BASE_NOT_FOUND', `the upstream has no commit ${base}`);
    }
    return answer.head === base;
  }

  /** Queries the mirror. Clones it first if there is none. */
  async #query(
    repository: RepositoryId,
    query: MirrorQuery,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    const { mirrors, checks, closing } = this.#parts;
    let wasCloned = false;
    let failure: unknown;
    return await retry(
      MAX_ATTEMPTS,
      async () => {
        const leasing = checks.leaseMirror(repository);
        const { lease, isCloned } = await unlessAborted(leasing, signal).catch((error: unknown) => {
          leasing.then((late) => late.lease.release()).catch(() => {});
          throw error;
        });
        wasCloned ||= isCloned;
        try {
          const { refs, missing } = await mirrors.query(lease, query, closing, signal);
          return { refs, missing, head: lease.revision.head.oid, isCloned: wasCloned };
        } catch (error) {
          if (!(await mirrors.discardIfDamaged(lease, error))) throw error;
          failure = error;
          return undefined;
        } finally {
          lease.release();
        }
      },
      () => failure,
    );
  }
}

/** Whether a repository can have a ref with this name: git must accept the name. */
function mayExist(name: string): boolean {
  return name === 'HEAD' || isValidRefName(refNameOf(name));
}
