import type { ArtifactId } from '../artifact/id.js';
import { type Moment, thisMoment } from '../async/clock.js';
import { toSnapshotError } from '../errors.js';
import { type Action, decide, mayServeOnError } from './decide.js';
import type { RefresherParts } from './refresher.js';
import type { StoredState } from './staleness.js';
import { failureOf, type UpstreamState } from './upstream-state.js';

/** The facts about the upstream at a moment. */
export interface View {
  readonly upstream: UpstreamState;
  readonly present: Moment;
}

/** Decides how requests are answered, by what this process knows at the moment. No side effects. */
export class Decisions {
  readonly #parts: RefresherParts;

  constructor(parts: RefresherParts) {
    this.#parts = parts;
  }

  view({ repository }: ArtifactId): View {
    return { upstream: this.#parts.known.stateOf(repository), present: thisMoment() };
  }

  decide(
    id: ArtifactId,
    found: StoredState | undefined,
    isChecked: boolean,
    { upstream, present }: View,
  ): Action {
    const { policy, builds } = this.#parts;
    const progress = { isChecked, isBuilding: builds.find(id) !== undefined };
    return decide(id, found, upstream, policy, present, progress);
  }

  /** @throws SnapshotError the refusal or the last check's failure, if the decision is to fail. */
  throwIfFailed({ repository }: ArtifactId, action: Action): void {
    const { known, refusals } = this.#parts;
    if (action === 'refuse') refusals.throwIfForgotten(repository);
    if (action !== 'fail') return;
    const failure = failureOf(known.stateOf(repository), thisMoment());
    if (failure !== undefined) throw toSnapshotError(failure, repository);
  }

  mayServeOnError(id: ArtifactId, found: StoredState): boolean {
    const { upstream, present } = this.view(id);
    return mayServeOnError(id, found, upstream, this.#parts.policy, present);
  }
}
