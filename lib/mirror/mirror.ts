import type { RepositoryId } from '../repository/identity.js';
import { type MirrorEvent, type MirrorState, transition } from './state.js';

/** What a generation reads: fixed when it starts, whatever happens to the mirror later. */
export interface ReadyMirror {
  readonly directory: string;
  /** Names of packs, without ending. */
  readonly packs: readonly string[];
}

/**
 * One repository's mirror. The one who claims it clones; everyone else waits for the outcome of that
 * clone, told by a promise.
 */
export class Mirror {
  readonly repository: RepositoryId;
  #state: MirrorState = 'empty';
  #content: ReadyMirror | undefined;
  #outcome: Promise<ReadyMirror> | undefined;

  constructor(repository: RepositoryId) {
    this.repository = repository;
  }

  get state(): MirrorState {
    return this.#state;
  }

  /**
   * The mirror's content, made by `clone` if it is empty. Of any number of callers one clones; its
   * failure is everyone's, and leaves the mirror empty.
   */
  ensureReady(clone: () => Promise<ReadyMirror>): Promise<ReadyMirror> {
    if (this.#content !== undefined) return Promise.resolve(this.#content);
    // No await between this check and the claim: the claim is atomic.
    if (this.#outcome !== undefined) return this.#outcome;
    this.#apply('claim');
    this.#outcome = this.#clone(clone).finally(() => {
      this.#outcome = undefined;
    });
    return this.#outcome;
  }

  async #clone(clone: () => Promise<ReadyMirror>): Promise<ReadyMirror> {
    try {
      const content = await clone();
      this.#apply('complete');
      this.#content = content;
      return content;
    } catch (error) {
      this.#apply('fail');
      throw error;
    }
  }

  #apply(event: MirrorEvent): void {
    const next = transition(this.#state, event);
    if (next === undefined) throw new RangeError(`${event} is not possible in ${this.#state}`);
    this.#state = next;
  }
}
