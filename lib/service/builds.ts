import type { ArtifactId } from '../artifact/id.js';
import { artifactKey } from '../artifact/key.js';
import { elapsedSince, type Time } from '../async/clock.js';
import { MAX_DELAY, orLater } from '../async/deadline.js';
import { Build } from './build.js';
import type { PendingLimits } from './pending-limits.js';
import { type BuildParts, BuildRuns } from './run-build.js';

/** At most one build of each artifact at a time: in this process, and by a lock in the fleet. */
export class Builds {
  readonly #pending: PendingLimits;
  readonly #runs: BuildRuns;
  readonly #running = new Map<string, Build>();
  /** Builds that run, and work that outlives a dropped build. */
  readonly #unsettled = new Set<Promise<unknown>>();

  constructor(parts: BuildParts) {
    this.#pending = parts.pending;
    this.#runs = new BuildRuns(parts, (work) => this.#settle(work));
  }

  /** The running build of an artifact, if there is one. */
  find(id: ArtifactId): Build | undefined {
    const running = this.#running.get(artifactKey(id));
    return running?.isDropped ? undefined : running;
  }

  /** Joins or begins the build. @throws SnapshotError `OVERLOADED`, `TOO_MANY_VARIANTS` */
  begin(id: ArtifactId, requestedAt: Time, { isBackground = false, isForced = false } = {}): Build {
    const key = artifactKey(id);
    const running = this.find(id);
    if (running !== undefined) {
      if (!isBackground) running.hurry();
      return running;
    }
    const order = { id, requestedAt, isBackground, isForced };
    const leave = this.#pending.enterBuild(order);
    const build = new Build(order, (progress) => this.#runs.run(order, progress));
    this.#running.set(key, build);
    const { done } = build;
    this.#settle(done);
    void done.then(() => {
      leave();
      if (this.#running.get(key) === build) this.#running.delete(key);
    });
    return build;
  }

  /**
   * Waits until a finished artifact is stored: a client that has read it must find it there.
   *
   * @param milliseconds the longest time to wait, from the artifact's last byte. Default: no limit.
   */
  async untilStored(id: ArtifactId, milliseconds = MAX_DELAY): Promise<void> {
    const build = this.find(id);
    if (build?.storingSince === undefined) return;
    const left = milliseconds - elapsedSince(build.storingSince);
    if (left > 0) await orLater(build.done, left);
  }

  /** Resolves when all builds that run now have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#unsettled);
  }

  /** @param work never rejects. */
  #settle(work: Promise<unknown>): void {
    this.#unsettled.add(work);
    void work.then(() => this.#unsettled.delete(work));
  }
}
