import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { AppUnderTest } from '../app-under-test.js';
import { type Bench, compare } from '../bench.js';
import { download } from '../download.js';
import type { Run } from '../measure/alternate.js';
import type { Result } from '../measure/result.js';
import { nginxVersion, startNginx } from '../native/nginx.js';
import { Program } from '../program.js';
import type { FileServerOrders } from '../programs/file-server.js';
import type { LoadOrders } from '../programs/load.js';
import type { Repository } from '../repositories/repository.js';

interface Server {
  readonly url: string;
  /** Of the server so far. */
  cpuSeconds(): Promise<number>;
}

const CONNECTIONS = [1, 32];
const FILE = 'snapshot.tar.zst';

/** A stored snapshot over loopback, against `express.static` and nginx with the same bytes. */
export async function hit(bench: Bench, repository: Repository): Promise<Result[]> {
  const directory = await bench.scope.directory();
  const file = join(directory, FILE);
  const app = await bench.app();
  const path = await app.newPath(repository);
  const servers = await startServers(bench, app, path, directory);
  for (const [name, { url }] of servers) await expectSameBytes(bench, name, url, file);

  const client = await Program.start<LoadOrders>('load', { argument: {} });
  bench.scope.defer(() => client.stop());
  const { size } = await stat(file);
  const results: Result[] = [];
  for (const connections of CONNECTIONS) {
    const requests = Math.ceil((bench.settings.megabytes * 1e6) / (size * connections));
    const run = (server: Server): Run => {
      return async () => {
        const before = await server.cpuSeconds();
        const load = await client.order('load', server.url, connections, requests);
        const cpuSeconds = (await server.cpuSeconds()) - before;
        return {
          megabytesPerSecond: load.bytes / 1e6 / load.seconds,
          cpuSecondsPerGigabyte: cpuSeconds / (load.bytes / 1e9),
          clientLoad: load.cpuSeconds / load.seconds,
        };
      };
    };
    const sides = Object.fromEntries(Array.from(servers, ([name, one]) => [name, run(one)]));
    const variant = `${(size / 1e6).toFixed(1)} MB, connections: ${connections}`;
    const reference = 'express.static';
    results.push(await compare(bench, { case: 'hit', repository, variant, reference, sides }));
  }
  await app.forget(path);
  return results;
}

/** Ours first. Leaves the snapshot in `directory`, which the others serve. */
async function startServers(
  { scope }: Bench,
  app: AppUnderTest,
  path: string,
  directory: string,
): Promise<Map<string, Server>> {
  await app.timeDownload(path, join(directory, FILE));
  const cpuSeconds = async () => (await app.program.order('usage')).cpuSeconds;
  const servers = new Map<string, Server>([['ours', { url: app.snapshotUrl(path), cpuSeconds }]]);

  const files = await Program.start<FileServerOrders>('file-server', { argument: { directory } });
  scope.defer(() => files.stop());
  servers.set('express.static', {
    url: `${await files.order('url')}/${FILE}`,
    cpuSeconds: async () => (await files.order('usage')).cpuSeconds,
  });
  if ((await nginxVersion()) === undefined) return servers;
  const server = (port: number) => `server { listen 127.0.0.1:${port}; root ${directory}; }`;
  const nginx = await startNginx(scope, server);
  return servers.set('nginx', { ...nginx, url: `${nginx.url}/${FILE}` });
}

async function expectSameBytes(
  { scope, signal }: Bench,
  name: string,
  url: string,
  file: string,
): Promise<void> {
  const copy = join(await scope.directory(), FILE);
  await download(url, { signal, file: copy });
  if ((await digest(copy)) !== (await digest(file))) throw new Error(`${name} sends other bytes`);
  await rm(copy);
}

async function digest(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
