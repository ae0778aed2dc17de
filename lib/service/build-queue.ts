import { type RepositoryId, repositoryKey } from '../repository.js';

/** Background builds that run at once. More than one: a huge build must not delay all others. */
const CONCURRENT_IN_BACKGROUND = 2;

export interface QueuedBuild {
  readonly repository: RepositoryId;
  /** Whether the default snapshot of the repository goes first. */
  readonly isVariant: boolean;
  /** Whether no client waits for it, so that it uses no foreground slot. */
  readonly isBackground: boolean;
  /** Resolves when a client begins to wait for it. */
  readonly awaited: Promise<void>;
  /** Removes the build from the queue when it aborts. */
  readonly signal: AbortSignal;
}

type Lane = 'foreground' | 'background';

interface Waiting {
  readonly isVariant: boolean;
  lane: Lane;
  readonly start: () => void;
}

/** The builds of one repository that run and wait. */
interface Line {
  readonly key: string;
  running: number;
  readonly waiting: Set<Waiting>;
}

/**
 * Fair turns for builds: for the repository with the fewest running builds; among equals, the one
 * with the oldest last turn. Within a repository, the default snapshot goes first, then the oldest
 * request. So a client that requests many variants delays other repositories by one build at most.
 *
 * Cost of a turn: linear in the waiting builds, which `maxPendingBuilds` bounds.
 */
export class BuildQueue {
  readonly #free: Record<Lane, number>;
  /** By repository; the one with the oldest last turn comes first. */
  readonly #lines = new Map<string, Line>();

  /** @param width foreground builds that run at once. */
  constructor(width: number) {
    this.#free = { foreground: width, background: CONCURRENT_IN_BACKGROUND };
  }

  /** Builds that run. */
  get running(): number {
    return Array.from(this.#lines.values()).reduce((sum, line) => sum + line.running, 0);
  }

  /** Runs the work when its turn comes. @throws the signal's reason; the error of the work. */
  async run<T>(build: QueuedBuild, work: () => Promise<T>): Promise<T> {
    build.signal.throwIfAborted();
    const line = this.#lineOf(build.repository);
    const lane = await this.#turn(line, build);
    try {
      return await work();
    } finally {
      line.running--;
      this.#free[lane]++;
      // Moved to the end: all other repositories have a turn first.
      this.#lines.delete(line.key);
      if (line.running + line.waiting.size > 0) this.#lines.set(line.key, line);
      this.#startNext();
    }
  }

  #lineOf(repository: RepositoryId): Line {
    const key = repositoryKey(repository);
    const line = this.#lines.get(key) ?? { key, running: 0, waiting: new Set() };
    this.#lines.set(key, line);
    return line;
  }

  /** Waits for a turn. @returns the lane that it uses. */
  #turn(line: Line, { isVariant, isBackground, awaited, signal }: QueuedBuild): Promise<Lane> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        isVariant,
        lane: isBackground ? 'background' : 'foreground',
        start: () => {
          signal.removeEventListener('abort', leave);
          resolve(waiting.lane);
        },
      };
      const leave = () => {
        line.waiting.delete(waiting);
        if (line.running + line.waiting.size === 0) this.#lines.delete(line.key);
        reject(signal.reason);
      };
      line.waiting.add(waiting);
      signal.addEventListener('abort', leave, { once: true });
      if (isBackground) {
        void awaited.then(() => {
          if (!line.waiting.has(waiting)) return;
          waiting.lane = 'foreground';
          this.#startNext();
        });
      }
      this.#startNext();
    });
  }

  #startNext(): void {
    for (const lane of ['foreground', 'background'] as const) {
      while (this.#free[lane] > 0) {
        const next = this.#next(lane);
        if (next === undefined) break;
        const { line, waiting } = next;
        line.waiting.delete(waiting);
        line.running++;
        this.#free[lane]--;
        waiting.start();
      }
    }
  }

  #next(lane: Lane): { line: Line; waiting: Waiting } | undefined {
    let next: { line: Line; waiting: Waiting } | undefined;
    for (const line of this.#lines.values()) {
      if (next !== undefined && next.line.running <= line.running) continue;
      const candidates = [...line.waiting].filter((each) => each.lane === lane);
      const waiting = candidates.find(({ isVariant }) => !isVariant) ?? candidates[0];
      if (waiting !== undefined) next = { line, waiting };
    }
    return next;
  }
}
