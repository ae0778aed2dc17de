import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultSnapshot, type SnapshotId } from '../../lib/artifact/id.js';
import type { SnapshotOptions, SnapshotService } from '../../lib/index.js';
import { MirrorDirectory } from '../../lib/mirror/disk/mirror-directory.js';
import type { RepositoryId } from '../../lib/repository.js';
import { HOST, type HostApp, type HostAppOptions, startHostApp } from './host-app.js';
import { git } from './run.js';
import { type Cleanup, cleanup } from './temporary-directory.js';
import { startUpstream, type Upstream } from './upstream.js';

/** A repository for each test, at an upstream that the tests of a file share. Valid while one of them runs. */
export interface OwnRepository extends Cleanup {
  readonly upstream: Upstream;
  /** The directory of the upstream's repositories. */
  readonly root: string;
  readonly path: string;
  readonly id: RepositoryId;
  /** The id of its default snapshot. */
  readonly snapshot: SnapshotId;
  /** Where the upstream serves it; with `.git` as well. */
  readonly url: string;
  /** At the upstream. */
  readonly bare: string;
  /** Starts an app of the test's own. */
  startApp(options?: Partial<HostAppOptions>): Promise<HostApp>;
  /** Starts a service of the test's own. */
  startService(options?: Partial<SnapshotOptions>): Promise<SnapshotService>;
  /** The app of all tests with these options. */
  sharedApp(options?: SharedOptions): Promise<HostApp>;
  /** The service of that app. */
  sharedService(options?: SharedOptions): Promise<SnapshotService>;
  /** Starts an app, in `beforeAll`, that all tests share. */
  startSharedApp(options?: Partial<HostAppOptions>): Promise<HostApp>;
  /** HEAD's commit at the upstream. */
  head(): Promise<string>;
  /** The path of its mirror, present or future. @param dataDir of an app. */
  mirrorIn(dataDir: string): string;
}

type SharedOptions = Pick<SnapshotOptions, 'freshness' | 'timeouts' | 'limits' | 'budgets'>;

/**
 * Registers hooks that set up the upstream and the repositories.
 *
 * @param build makes what each repository is a copy of. Default: tests make their repositories themselves.
 */
export function ownRepository(build?: (bare: string) => Promise<void>): OwnRepository {
  const shared = cleanup(afterAll);
  const { directory, defer } = cleanup(afterEach);
  const apps = new Map<string, Promise<HostApp>>();
  let root = '';
  let upstream: Upstream | undefined;
  let tests = 0;
  let path = '';
  let bare = '';

  const running = (): Upstream => {
    if (upstream === undefined) throw new Error('the upstream runs only during tests');
    return upstream;
  };

  beforeAll(async () => {
    root = await shared.directory();
    await build?.(join(root, 'template.git'));
    const started = await startUpstream({ root });
    upstream = started;
    shared.defer(() => started.close());
  });

  beforeEach(async () => {
    tests++;
    path = `org/group/repo-${tests}`;
    bare = join(root, `${path}.git`);
    if (build !== undefined) await cp(join(root, 'template.git'), bare, { recursive: true });
  });

  const start = async (resources: Cleanup, options: Partial<HostAppOptions>): Promise<HostApp> => {
    const dataDir = options.dataDir ?? (await resources.directory());
    const app = await startHostApp({ upstreamUrl: running().url, ...options, dataDir });
    resources.defer(() => app.close());
    return app;
  };

  const startApp = (options: Partial<HostAppOptions> = {}) => start({ directory, defer }, options);
  const sharedApp = (options: SharedOptions = {}) => {
    const key = JSON.stringify(options);
    const app = apps.get(key) ?? start(shared, options);
    apps.set(key, app);
    return app;
  };

  return {
    directory,
    defer,
    get upstream() {
      return running();
    },
    get root() {
      return root;
    },
    get path() {
      return path;
    },
    get id() {
      return { host: HOST, path };
    },
    get snapshot() {
      return defaultSnapshot({ host: HOST, path });
    },
    get url() {
      return `${running().url}/${path}`;
    },
    get bare() {
      return bare;
    },
    startApp,
    startService: async (options) => (await startApp(options)).router.service,
    sharedApp,
    sharedService: async (options) => (await sharedApp(options)).router.service,
    startSharedApp: (options = {}) => start(shared, options),
    head: () => git(bare, 'rev-parse', 'HEAD'),
    mirrorIn: (dataDir) =>
      new MirrorDirectory(join(dataDir, 'mirrors'), () => {}).pathOf({ host: HOST, path }),
  };
}
