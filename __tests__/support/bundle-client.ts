import { HOST, type HostApp, type HostAppOptions } from './host-app.js';
import type { OwnRepository } from './own-repository.js';
import { git } from './run.js';

/** Milliseconds for which nothing is outdated. */
export const FOREVER = 0x7fff_ffff;
export const USUAL = { freshness: { maxAge: FOREVER, checkInterval: 0 } };

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** Requests bundles of the test's repository from an app. */
export interface BundleClient {
  /** The app that tests use by default. No check is due by time. */
  readonly app: HostApp;
  /** Starts an app of the test's own, and uses it from now on. */
  start(options: Partial<HostAppOptions>): Promise<void>;
  /** Uses this app from now on. */
  use(app: HostApp): void;
  /** The commit of a name at the upstream. */
  commitOf(name: string): Promise<string>;
  snapshotUrl(): string;
  bundleUrl(base: string): string;
  ask(url: string, init?: RequestInit): Promise<Reply>;
  bundle(base: string, headers?: Record<string, string>): Promise<Reply>;
  /** The status of an error, and its code. */
  refused(base: string): Promise<[status: number, code: unknown]>;
  /** Makes the mirror. */
  mirrored(): Promise<void>;
  /** Brings the mirror up to date. */
  noticed(): Promise<void>;
}

/** Registers a hook that starts each test with the usual app. */
export function bundleClient(repository: OwnRepository): BundleClient {
  let current: HostApp | undefined;

  beforeEach(async () => {
    current = await repository.sharedApp(USUAL);
  });

  const running = (): HostApp => {
    if (current === undefined) throw new Error('the app runs only during tests');
    return current;
  };
  const snapshotUrl = () => running().snapshotUrl(repository.path);
  const bundleUrl = (base: string) =>
    `${running().url}/git/${HOST}/${repository.path}/snapshot.bundle?base=${base}`;

  async function ask(url: string, init: RequestInit = {}): Promise<Reply> {
    const response = await fetch(url, init);
    const body = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, body };
  }

  const bundle = (base: string, headers: Record<string, string> = {}) =>
    ask(bundleUrl(base), { headers });

  return {
    get app() {
      return running();
    },
    async start(options) {
      current = await repository.startApp({ ...USUAL, ...options });
    },
    use(app) {
      current = app;
    },
    commitOf: (name) => git(repository.bare, 'rev-parse', name),
    snapshotUrl,
    bundleUrl,
    ask,
    bundle,
    async refused(base) {
      const { status, body } = await bundle(base);
      return [status, JSON.parse(body.toString()).code];
    },
    async mirrored() {
      expect((await ask(snapshotUrl())).status).toBe(200);
    },
    async noticed() {
      await running().router.service.refresh(repository.id);
    },
  };
}
