import { join } from 'node:path';
import { type HostApp, type HostAppOptions, startHostApp } from './host-app.js';
import { buildNoisy } from './noisy-repository.js';
import { type Cleanup, cleanup } from './temporary-directory.js';
import { startUpstream, type Upstream } from './upstream.js';

/** The path of the repository that a `NoisyUpstream` has. */
export const REPOSITORY = 'org/repo';

/** What the tests of a file share: valid while one of them runs. */
export interface NoisyUpstream extends Cleanup {
  /** Without faults and requests when a test begins. */
  readonly upstream: Upstream;
  /** A directory of the test's own, for its apps. */
  readonly dataDir: string;
  /** Starts an app on `dataDir` that fetches from the upstream. */
  startApp(options?: Partial<HostAppOptions>): Promise<HostApp>;
}

/**
 * Registers hooks that set up an upstream with one repository (`buildNoisy`) for a file of tests.
 *
 * @param build adds more repositories below the upstream's root.
 */
export function noisyUpstream(
  build: (root: string) => Promise<void> = async () => {},
): NoisyUpstream {
  const shared = cleanup(afterAll);
  const { directory, defer } = cleanup(afterEach);
  let upstream: Upstream | undefined;
  let dataDir = '';

  const running = (): Upstream => {
    if (upstream === undefined) throw new Error('the upstream runs only during tests');
    return upstream;
  };

  beforeAll(async () => {
    const root = await shared.directory();
    await buildNoisy(join(root, `${REPOSITORY}.git`));
    await build(root);
    const started = await startUpstream({ root });
    upstream = started;
    shared.defer(() => started.close());
  });

  beforeEach(async () => {
    dataDir = await directory();
    running().requests.length = 0;
    defer(() => running().heal(REPOSITORY));
  });

  return {
    directory,
    defer,
    get upstream() {
      return running();
    },
    get dataDir() {
      return dataDir;
    },
    async startApp(options = {}) {
      const app = await startHostApp({ dataDir, upstreamUrl: running().url, ...options });
      defer(() => app.close());
      return app;
    },
  };
}
