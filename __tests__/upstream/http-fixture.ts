import { once } from 'node:events';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, LookupFunction, Server, Socket } from 'node:net';
import { inspect } from 'node:util';
import type { GitHttpResponse } from 'isomorphic-git';
import { parseOptions, workLimits } from '../../lib/config/options.js';
import { createHttpClient, type UpstreamClient } from '../../lib/upstream/http-client.js';
import type { UpstreamTask } from '../../lib/upstream/task.js';
import type { Cleanup } from '../support/temporary-directory.js';

export const INFO_REFS = '/info/refs?service=git-upload-pack';
export const UPLOAD_PACK = '/git-upload-pack';
export const ADVERTISEMENT = { 'content-type': 'application/x-git-upload-pack-advertisement' };
export const RESULT = { 'content-type': 'application/x-git-upload-pack-result' };
export const SECRET = 'Basic c2VjcmV0OnNlY3JldA==';

export interface Listening<S extends Server = Server> {
  readonly server: S;
  readonly port: number;
  /** Every connection that was ever accepted. */
  readonly sockets: Socket[];
}

/** Listens on a free port of a loopback address; all connections are cut after the test. */
export async function listen<S extends Server>(
  server: S,
  { defer }: Cleanup,
  address = '127.0.0.1',
): Promise<Listening<S>> {
  const sockets: Socket[] = [];
  server.on('connection', (socket) => sockets.push(socket));
  server.listen(0, address);
  await once(server, 'listening');
  defer(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  });
  return { server, port: (server.address() as AddressInfo).port, sockets };
}

export interface HttpUpstream extends Listening {
  /** `127.0.0.1:{port}` */
  readonly host: string;
  readonly origin: string;
  /** A repository of this server. */
  readonly url: string;
  readonly requests: IncomingMessage[];
}

/** An upstream whose answers the test writes itself. */
export async function serve(
  resources: Cleanup,
  handler: RequestListener,
  address = '127.0.0.1',
): Promise<HttpUpstream> {
  const requests: IncomingMessage[] = [];
  const server = createServer((req, res) => {
    requests.push(req);
    handler(req, res);
  });
  const listening = await listen(server, resources, address);
  const host = `${address.includes(':') ? `[${address}]` : address}:${listening.port}`;
  const origin = `http://${host}`;
  return { ...listening, host, origin, url: `${origin}/org/repo`, requests };
}

/** Sends the first bytes of an answer and never the rest. */
export function serveUnfinished(
  resources: Cleanup,
  headers = {},
  bytes: string | Buffer = 'refs',
): Promise<HttpUpstream> {
  return serve(resources, (req, res) => {
    res.writeHead(200, { ...(req.method === 'GET' ? ADVERTISEMENT : RESULT), ...headers });
    res.write(bytes);
  });
}

export function onlySocket({ sockets: [socket, ...others] }: HttpUpstream): Socket {
  if (!socket || others.length > 0) throw new Error('not one connection');
  return socket;
}

export type ClientOptions = Partial<Pick<UpstreamTask, 'authorization' | 'redirectBases'>> & {
  connectTimeout?: number;
  maxRefsBytes?: number;
  signal?: AbortSignal;
  lookup?: LookupFunction;
  /** Hosts that may have private addresses. */
  trusted?: readonly string[];
  /** Hosts that may not. */
  untrusted?: readonly string[];
  /** To all of them. */
  proxy?: string;
};

/** A client that is closed after the test; by default it trusts the upstream's own host. */
export function clientOf(
  { defer }: Cleanup,
  upstreamUrl: string,
  {
    trusted = [new URL(upstreamUrl).host],
    untrusted = [],
    proxy,
    authorization,
    redirectBases = [...trusted, ...untrusted].flatMap((host) => [
      `http://${host}/`,
      `https://${host}/`,
    ]),
    connectTimeout = 10_000,
    maxRefsBytes = 1024 * 1024,
    signal = new AbortController().signal,
    lookup,
  }: ClientOptions = {},
): UpstreamClient {
  const config = parseOptions({ dataDir: 'unused', hosts: [] });
  const task: UpstreamTask = {
    repository: { host: 'git.test', path: 'org/repo' },
    upstreamUrl,
    redirectBases,
    hosts: new Map([
      ...trusted.map((host) => allow(host, true, proxy)),
      ...untrusted.map((host) => allow(host, false, proxy)),
    ]),
    authorization,
    userAgent: 'git/2.0 (test)',
    timeouts: { ...config.timeouts, connectTimeout },
    limits: { ...workLimits(config), maxRefsBytes },
  };
  const client = createHttpClient(task, signal, lookup);
  defer(() => client.close());
  return client;
}

function allow(host: string, allowPrivateAddresses: boolean, proxy: string | undefined) {
  return [host, { allowPrivateAddresses, proxy }] as const;
}

export function getRefs(client: UpstreamClient, url: string): Promise<GitHttpResponse> {
  return client.request({ url: url + INFO_REFS, method: 'GET', headers: {} });
}

export function postWants(client: UpstreamClient, url: string): Promise<GitHttpResponse> {
  async function* body() {
    yield Buffer.from('0032want ');
    yield Buffer.from('0000');
  }
  const headers = {
    'content-type': 'application/x-git-upload-pack-request',
    accept: 'application/x-git-upload-pack-result',
  };
  return client.request({ url: url + UPLOAD_PACK, method: 'POST', headers, body: body() });
}

export async function readAll({ body }: GitHttpResponse): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body ?? []) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The error of a promise; fails when the promise resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const value = await promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  if (value === undefined) throw new Error('the promise was resolved');
  return value.error;
}

/** All that a logger might print of an error. */
export function everythingIn(error: unknown): string {
  return inspect(error, { depth: 20, showHidden: true });
}
