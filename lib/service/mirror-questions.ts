import type { BundleId, EnsuredRefs, GetOptions, WantedRefs } from '../artifact/artifact.js';
import { unlessAborted } from '../async/abort.js';
import { SnapshotError } from '../errors.js';
import { isValidRefName, refNameOf } from '../git/refs.js';
import type { MirrorManager } from '../mirror/mirrors.js';
import { type RepositoryId, repositoryOf } from '../repository.js';
import { admit } from './admit.js';
import { ensureRefs, isUpToDate, type QuestionParts } from './ensure-refs.js';
import type { RefFinder } from './find-ref.js';
import type { PendingLimits } from './pending-limits.js';
import type { Refresher } from './refresher.js';
import type { Refusals } from './refusals.js';
import type { UpstreamChecks } from './upstream-checks.js';

export interface MirrorQuestionsParts {
  readonly mirrors: MirrorManager;
  readonly checks: UpstreamChecks;
  readonly search: RefFinder;
  readonly refusals: Refusals;
  readonly refresher: Refresher;
  readonly pending: PendingLimits;
  /** Told of repositories that a client asked about. */
  readonly onAsked: (repository: RepositoryId) => void;
  readonly started: () => Promise<void>;
  readonly closing: AbortSignal;
}

/** Clients' questions to mirrors, which may be brought up to date, or cloned, for them. Ids are canonical. */
export class MirrorQuestions {
  readonly #parts: MirrorQuestionsParts;
  #isClosing = false;

  constructor(parts: MirrorQuestionsParts) {
    this.#parts = parts;
  }

  /** Takes no more of them. */
  close(): void {
    this.#isClosing = true;
  }

  /** As `ArtifactSource.isUpToDate`. */
  isUpToDate(id: BundleId, { signal }: GetOptions = {}): Promise<boolean> {
    return this.#answer(id, signal, (parts, closing) => isUpToDate(id, parts, closing));
  }

  /** As `ArtifactSource.ensureRefs`. */
  async ensureRefs(
    repository: RepositoryId,
    { refs, commits }: WantedRefs,
    { signal }: GetOptions = {},
  ): Promise<EnsuredRefs> {
    const nowhere = new Map(Array.from(refs.keys(), (name) => [name, '']));
    const possible = new Map([...refs].filter(([name]) => mayExist(name)));
    if (possible.size + commits.length === 0) {
      return { refs: nowhere, missingCommits: [], fetched: false };
    }
    const ensured = await this.#answer(repository, signal, (parts, closing) =>
      ensureRefs(repository, { refs: possible, commits }, parts, closing),
    );
    return { ...ensured, refs: new Map([...nowhere, ...ensured.refs]) };
  }

  async #answer<T>(
    id: RepositoryId | BundleId,
    signal: AbortSignal | undefined,
    ask: (parts: QuestionParts, closing: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { refresher, pending, onAsked, started, closing } = this.#parts;
    if (this.#isClosing) throw new SnapshotError('CLOSED', 'the service is closed or closing');
    const leave = pending.enterQuestion(id);
    const answer = async () => {
      await admit(id, this.#parts, signal);
      await started();
      const answered = await ask(this.#parts, closing);
      const repository = repositoryOf(id);
      onAsked(repository);
      refresher.rebuildSoon(repository);
      return answered;
    };
    return await unlessAborted(answer().finally(leave), signal);
  }
}

/** Whether a repository can have a ref of this name: for one that git refuses nobody need be asked. */
function mayExist(name: string): boolean {
  return name === 'HEAD' || isValidRefName(refNameOf(name));
}
