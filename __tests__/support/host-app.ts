import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import express, { type Express } from 'express';
import {
  createSnapshotRouter,
  type SnapshotOptions,
  type SnapshotRouter,
} from '../../lib/index.js';

/** The host under which upstreams are reached through the app. */
export const HOST = 'git.test';

/** What is pushed is in the next snapshot: tests that say nothing else need not wait for minutes. */
export const BUILD_AT_ONCE = { minRebuildInterval: 0 } as const;

export interface HostApp {
  readonly url: string;
  readonly router: SnapshotRouter;
  readonly dataDir: string;
  readonly server: Server;
  /** The URL of a repository's snapshot. */
  snapshotUrl(path: string): string;
  /** Closes connections, server and router. Idempotent. */
  close(): Promise<void>;
}

export interface HostAppOptions extends Partial<SnapshotOptions> {
  dataDir: string;
  /** Where the repositories of `HOST` are fetched from. */
  upstreamUrl: string;
  /** The app in which the router is mounted. Default: one without other routes. */
  app?: Express;
  /** Default: a free one. */
  port?: number;
}

/** An Express app with a router mounted at `/git`, on a free port of 127.0.0.1. */
export async function startHostApp({
  upstreamUrl,
  dataDir,
  app = express(),
  freshness,
  port = 0,
  ...options
}: HostAppOptions): Promise<HostApp> {
  const hosts = { [HOST]: { baseUrl: upstreamUrl, allowPrivateAddresses: true } };
  const router = createSnapshotRouter({
    hosts,
    logger: false,
    ...options,
    freshness: { ...BUILD_AT_ONCE, ...freshness },
    dataDir,
  });
  const server = createServer(app.use('/git', router));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the app does not listen');
  const url = `http://127.0.0.1:${address.port}`;
  return {
    url,
    router,
    dataDir,
    server,
    snapshotUrl: (path) => `${url}/git/${HOST}/${path}/snapshot.tar.zst`,
    async close() {
      server.close();
      server.closeAllConnections();
      await router.close();
    },
  };
}

/** Names of unfinished files and directories below a data directory. There must be none at the end. */
export async function leftovers(dataDir: string): Promise<string[]> {
  const found: string[] = [];
  for (const part of ['mirrors', 'spool', 'snapshots']) {
    for (const name of await readdir(join(dataDir, part)).catch(() => [])) {
      if (part === 'spool' || name.endsWith('.tmp')) found.push(join(part, name));
    }
  }
  return found;
}
