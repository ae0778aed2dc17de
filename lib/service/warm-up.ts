import { type ArtifactId, defaultSnapshot, isFixed } from '../artifact/id.js';
import { artifactKey } from '../artifact/key.js';
import { canonicalId } from '../artifact/validate-id.js';
import { unlessAborted } from '../async/abort.js';
import { now } from '../async/clock.js';
import { KeyedLimit } from '../async/keyed-limit.js';
import { callHost } from '../call-host.js';
import type { ServiceConfig } from '../config/options.js';
import { invalidRequest, SnapshotError, toSnapshotError } from '../errors.js';
import type { WarmFailure, WarmOutcome, WarmSummary } from '../events/warm-events.js';
import type { RepositoryId } from '../repository.js';
import type { RefresherParts } from './refresher.js';
import type { WarmOptions } from './snapshot-service.js';
import { isCurrent } from './staleness.js';

/** Artifacts of one call. */
const MAX_ARTIFACTS = 10_000;
/** Artifacts of one host at once. More than one: a huge repository must not delay all others. */
const CONCURRENT_ARTIFACTS = 2;

/**
 * Stores artifacts before a client requests them, as background work: it takes no slot that a client
 * needs. A client that requests an artifact meanwhile joins its build, or begins the build itself.
 */
export class WarmUp {
  readonly #parts: RefresherParts;
  readonly #limit = new KeyedLimit(CONCURRENT_ARTIFACTS);
  #hasBegun = false;

  constructor(parts: RefresherParts) {
    this.#parts = parts;
  }

  /**
   * Brings artifacts up to date, and builds those that are missing. The failure of one leaves the
   * others alone. Work that has begun goes on when the signal aborts.
   *
   * @throws SnapshotError `INVALID_REQUEST` for too many artifacts, `CLOSED`; the signal's reason.
   */
  async run(
    wanted: readonly (ArtifactId | RepositoryId)[],
    { signal, onProgress }: WarmOptions = {},
  ): Promise<WarmSummary> {
    const { config, stopping } = this.#parts;
    if (wanted.length > MAX_ARTIFACTS) throw invalidRequest(`over ${MAX_ARTIFACTS} artifacts`);
    const ends = signal === undefined ? stopping : AbortSignal.any([signal, stopping]);
    ends.throwIfAborted();
    const { ids, invalid } = distinct(wanted, config);
    const total = ids.length + invalid.length;
    const counts: Record<WarmOutcome, number> = { fresh: 0, built: 0, failed: 0 };
    const failures: WarmFailure[] = [];
    let done = 0;
    const end = (artifact: ArtifactId, outcome: WarmOutcome, error?: SnapshotError) => {
      counts[outcome]++;
      done++;
      if (error !== undefined) failures.push({ artifact, error });
      const progress = { artifact, outcome, error, done, total };
      if (onProgress !== undefined) callHost('onProgress', () => onProgress(progress));
    };
    for (const { artifact, error } of invalid) end(artifact, 'failed', error);
    const warm = async (id: ArtifactId) => {
      if (ends.aborted) return;
      try {
        end(id, await this.#warm(id, ends));
      } catch (error) {
        if (!ends.aborted) end(id, 'failed', toSnapshotError(error, id.repository));
      }
    };
    await Promise.all(ids.map((id) => this.#limit.run(id.repository.host, () => warm(id))));
    ends.throwIfAborted();
    const { fresh, built } = counts;
    return { total, fresh, built, failures };
  }

  /** Warms up what the option `warm` says, once, in the background. Never throws. */
  begin(): void {
    const { config, events } = this.#parts;
    if (config.warm === undefined || this.#hasBegun) return;
    this.#hasBegun = true;
    const warm = async () => {
      const wanted = config.warm === 'recent' ? await this.#recent() : (config.warm ?? []);
      events.emit('warmed', await this.run(wanted));
    };
    // Failures of artifacts are in the summary. It rejects only when the service closes.
    warm().catch(() => {});
  }

  /**
   * The repositories that clients used recently, by the last use of their mirrors on disk; the last
   * used come first.
   */
  async #recent(): Promise<RepositoryId[]> {
    const { config, mirrors, policy } = this.#parts;
    await mirrors.scanned();
    const since = Date.now() - policy.stopRefreshingAfter;
    return mirrors
      .list()
      .filter(
        ({ repository, usedAt }) => usedAt >= since && Object.hasOwn(config.hosts, repository.host),
      )
      .sort((a, b) => b.usedAt - a.usedAt)
      .slice(0, MAX_ARTIFACTS)
      .map(({ repository }) => repository);
  }

  async #warm(id: ArtifactId, signal: AbortSignal): Promise<'fresh' | 'built'> {
    const { mirrors, stored, known, refusals, builds, closing } = this.#parts;
    const { repository } = id;
    await unlessAborted(mirrors.open(repository, closing), signal);
    refusals.throwIfForgotten(repository);
    const before = await unlessAborted(stored.stat(id, { signal }), signal);
    if (before !== undefined) await this.#check(id, signal);
    const found = before && (await unlessAborted(stored.stat(id, { signal }), signal));
    if (found !== undefined && this.#isCurrent(id, found)) return 'fresh';
    const build = builds.begin(id, now(), { isBackground: true });
    const { kind } = await build.outcome(signal);
    const end = await unlessAborted(build.done, signal);
    // From now on its checks are throttled, and their failures and refusals remembered.
    known.know(repository);
    if (end === 'not-stored') {
      throw new SnapshotError('STORE_FAILED', 'the build broke off, or the store did not keep it');
    }
    return kind === 'stored' ? 'fresh' : 'built';
  }

  /** Checks the upstream of a stored artifact if that is due. @throws SnapshotError the failure. */
  async #check(id: ArtifactId, signal: AbortSignal): Promise<void> {
    const { known, checks, refusals } = this.#parts;
    const { repository } = id;
    // A stored repository was not made up by a client: its failures and refusals are remembered.
    known.know(repository);
    if (isFixed(id)) return;
    if (known.isDue(repository)) {
      const nothing = async () => {};
      const checked = checks.checkInBackground(repository, `warm ${artifactKey(id)}`, nothing);
      await unlessAborted(checked, signal);
    }
    refusals.throwIfForgotten(repository);
    const { failure } = known.stateOf(repository);
    if (failure !== undefined) throw failure;
  }

  #isCurrent(id: ArtifactId, found: Parameters<typeof isCurrent>[1]): boolean {
    const { known, policy } = this.#parts;
    return isCurrent(id, found, known.stateOf(id.repository), policy);
  }
}

/** Each artifact once, in the form that the service knows, and those that it refuses. */
function distinct(
  wanted: readonly (ArtifactId | RepositoryId)[],
  config: ServiceConfig,
): { ids: ArtifactId[]; invalid: WarmFailure[] } {
  const ids = new Map<string, ArtifactId>();
  const invalid: WarmFailure[] = [];
  for (const each of wanted) {
    const artifact = 'kind' in each ? each : defaultSnapshot(each);
    try {
      const id = canonicalId(config, artifact);
      ids.set(artifactKey(id), id);
    } catch (error) {
      invalid.push({ artifact, error: toSnapshotError(error) });
    }
  }
  return { ids: [...ids.values()], invalid };
}
