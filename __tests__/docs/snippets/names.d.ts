/*
 * The names that the blocks of code on the pages use without declaring them. A block that declares a name itself has
 * its own.
 */

type Main = typeof import('express-git-snapshot');
type Client = typeof import('express-git-snapshot/client');

// The reader's app.
declare const app: import('express').Express;
declare const server: import('node:http').Server;
declare const snapshots: import('express-git-snapshot').SnapshotRouter;
declare const service: import('express-git-snapshot').SnapshotService;
declare const repository: import('express-git-snapshot').RepositoryId;
declare const store: import('express-git-snapshot/s3').S3Store;
declare const locks: import('express-git-snapshot/locks').MachineLocks;
declare const status: import('express-git-snapshot/status-page').StatusPage;
declare const requireAdmin: import('express').RequestHandler;
declare const backend: { add(feature: Promise<{ default: object }>): void };
declare const dataDir: string;
declare const hosts: string[];
declare const url: string;
declare const directory: string;
declare const token: string;
declare const key: string;
declare const cert: string;
declare const accessKeyId: string;
declare const secretAccessKey: string;
declare const secureAgent: import('node:https').Agent;
declare const plainAgent: import('node:http').Agent;
declare const log: { warning(message: string, fields: object): void; failure: typeof log.warning };
declare function mayRead(...args: Parameters<import('express-git-snapshot').Authorize>): boolean;
declare function makeToken(options: { signal: AbortSignal }): Promise<string>;
declare function userOf(
  authorization: string | undefined,
  options: { signal: AbortSignal },
): Promise<{ repositories: string[] } | undefined>;
declare namespace Express {
  interface Request {
    user: { isAdmin: boolean };
  }
}
declare namespace NodeJS {
  interface ProcessEnv {
    GITHUB_SHA: string;
    GITHUB_TOKEN: string;
    REDIS_URL: string;
    WEBHOOK_SECRET: string;
  }
}

// Imports of an earlier block or page.
declare const express: typeof import('express');
declare const createHealthRouter: Main['createHealthRouter'];
declare const createSnapshotRouter: Main['createSnapshotRouter'];
declare const createSnapshotService: Main['createSnapshotService'];
declare const createWebhookHandler: Main['createWebhookHandler'];
declare const parseRepository: Main['parseRepository'];
declare const restoreSnapshot: Client['restoreSnapshot'];
declare const instrumentService: typeof import('express-git-snapshot/opentelemetry').instrumentService;
declare const createStatusPage: typeof import('express-git-snapshot/status-page').createStatusPage;
declare const storeContract: typeof import('express-git-snapshot/testing').storeContract;
declare const S3Store: typeof import('express-git-snapshot/s3').S3Store;
declare const test: typeof import('node:test').test;

// Code that another page tells the reader to write.
declare const MapStore: new () => import('express-git-snapshot/store').SnapshotStore;
declare const MyStore: new (
  directory: string,
  options?: { maxBytes: number },
) => import('express-git-snapshot/store').SnapshotStore;
declare const MyLocks: new (url: string) => import('express-git-snapshot/locks').LockRegistry;
declare const koa: { use(middleware: (ctx, next: () => unknown) => unknown): void };
declare const hono: { fetch(request: Request): Promise<Response> };
declare module '@hono/node-server' {
  export function getRequestListener(fetch: typeof hono.fetch): import('node:http').RequestListener;
}
declare module '@azure/identity' {
  export { AnonymousCredential as DefaultAzureCredential } from '@azure/storage-blob';
}
