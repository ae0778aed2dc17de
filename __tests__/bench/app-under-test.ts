import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HOST } from '../support/host-app.js';
import type { Bench } from './bench.js';
import { download } from './download.js';
import type { Sample } from './measure/metrics.js';
import { Program } from './program.js';
import type { AppOrders } from './programs/app.js';
import type { Repository } from './repositories/repository.js';
import type { UpstreamServer } from './repositories/upstream-server.js';

type AppNeeds = Pick<Bench, 'settings' | 'scope' | 'upstream' | 'signal'>;

/** The host app in a process of its own, with nothing in its data directory. */
export class AppUnderTest {
  readonly url: string;
  readonly program: Program<AppOrders>;
  readonly #dataDir: string;
  readonly #upstream: UpstreamServer;
  readonly #signal: AbortSignal;

  private constructor(bench: AppNeeds, program: Program<AppOrders>, url: string, dataDir: string) {
    this.url = url;
    this.program = program;
    this.#dataDir = dataDir;
    this.#upstream = bench.upstream;
    this.#signal = bench.signal;
  }

  /** @param metrics whether OpenTelemetry measures the app */
  static async start(bench: AppNeeds, { metrics = false } = {}): Promise<AppUnderTest> {
    const { settings, scope, upstream } = bench;
    const dataDir = await scope.directory();
    const { appThreads, profiles } = settings;
    const concurrency = appThreads === undefined ? {} : { indexThreads: appThreads };
    const program = await Program.start<AppOrders>('app', {
      argument: { dataDir, upstreamUrl: upstream.url, concurrency, metrics },
      nodeOptions: profilingOptions(profiles),
    });
    scope.defer(() => program.stop());
    return new AppUnderTest(bench, program, await program.order('url'), dataDir);
  }

  /** Serves a repository under a path that is new to the app. @returns the path. */
  async newPath(repository: Repository): Promise<string> {
    return await this.#upstream.publish(repository);
  }

  snapshotUrl(path: string): string {
    return `${this.url}/git/${HOST}/${path}/snapshot.tar.zst`;
  }

  /** `remote.origin.url` in the snapshot. */
  originUrl(path: string): string {
    return `${this.#upstream.url}/${path}`;
  }

  /** One GET, from the request to the last byte. */
  async timeDownload(
    path: string,
    file?: string,
  ): Promise<Required<Pick<Sample, 'seconds' | 'cpuSeconds'>>> {
    const before = await this.program.order('usage');
    const started = performance.now();
    await download(this.snapshotUrl(path), { signal: this.#signal, ...(file && { file }) });
    const seconds = (performance.now() - started) / 1000;
    const { cpuSeconds } = await this.program.order('usage');
    return { seconds, cpuSeconds: cpuSeconds - before.cpuSeconds };
  }

  /** Asks the upstream and stores a new snapshot; `mirror`: until the mirror is up to date. */
  async refresh(path: string): Promise<Record<'mirror' | 'whole', Sample>> {
    return await this.program.order('refresh', path);
  }

  /** Makes the repository's mirror, of which there is none: of the stored snapshot, if there is one. */
  async mirror(path: string): Promise<Sample> {
    return await this.program.order('mirror', path);
  }

  /** Removes all mirrors; nothing else may be running. */
  async removeMirrors(): Promise<void> {
    const mirrors = join(this.#dataDir, 'mirrors');
    for (const name of await readdir(mirrors)) await rm(join(mirrors, name), { recursive: true });
  }

  /** Removes the stored snapshot; the mirror stays. */
  async deleteSnapshot(path: string): Promise<void> {
    await this.program.order('deleteSnapshot', path);
  }

  /** Removes all that there is of a repository; nothing else may be running. */
  async forget(path: string): Promise<void> {
    await this.deleteSnapshot(path);
    await this.removeMirrors();
    await this.#upstream.withdraw(path);
  }

  async stop(): Promise<void> {
    await this.program.stop();
  }
}

/** For a program that runs code of ours. */
export function profilingOptions(profiles: string | undefined): string[] {
  return profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
}
