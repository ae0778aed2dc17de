import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TemporaryDirectory {
  readonly path: string;
  /** Idempotent. */
  remove(): Promise<void>;
}

/** @param parent an existing directory. */
export async function temporaryDirectory(parent = tmpdir()): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(await realpath(parent), 't-'));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
}

export interface Cleanup {
  /** Makes a directory that is removed afterwards. */
  directory(): Promise<string>;
  /** Registers another release. The last registered runs first. */
  defer(release: () => unknown): void;
}

/**
 * Releases what tests took, also when they fail: `const { directory, defer } = cleanup(afterEach)`.
 *
 * @param hook jest's `afterEach` or `afterAll`.
 */
export function cleanup(hook: (release: () => Promise<void>) => void): Cleanup {
  const releases: (() => unknown)[] = [];
  hook(async () => {
    const failures: unknown[] = [];
    for (const release of releases.splice(0).reverse()) {
      try {
        await release();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('; '));
  });
  return {
    async directory() {
      const { path, remove } = await temporaryDirectory();
      releases.push(remove);
      return path;
    },
    defer: (release) => void releases.push(release),
  };
}
