import { once } from 'node:events';
import { type Agent, createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import express5, { type Express, type RequestHandler, type Router } from 'express';
import express4 from 'express4';
import { parseOptions } from '../../lib/config/options.js';
import {
  createSnapshotRouter,
  type Logger,
  type SnapshotOptions,
  type SnapshotRouter,
} from '../../lib/index.js';
import type { FakeService } from './fake-service.js';

export const EXPRESS = { 'Express 4': express4, 'Express 5': express5 };
export type ExpressVersion = keyof typeof EXPRESS;

/** How a host app mounts the router, and the prefix that its clients then use. */
export const MOUNTS = {
  'at /': { prefix: '', mount: (app: Express, router: Router) => app.use(router) },
  'under /git': {
    prefix: '/git',
    mount: (app: Express, router: Router) => app.use('/git', router),
  },
  'in a nested router': {
    prefix: '/api/v1/git',
    mount: (app: Express, router: Router, express: typeof express5) => {
      const inner = express.Router();
      inner.use('/git', router);
      const outer = express.Router();
      outer.use('/v1', inner);
      app.use('/api', outer);
    },
  },
};
export type MountName = keyof typeof MOUNTS;

export interface LogLine {
  level: string;
  fields: Record<string, unknown>;
  message: string;
}

export interface TestServer {
  readonly port: number;
  readonly prefix: string;
  readonly log: LogLine[];
  readonly app: Express;
  readonly events: SnapshotRouter['events'];
  close(): Promise<void>;
}

export interface ServeOptions {
  version?: ExpressVersion;
  mount?: MountName;
  hosts?: SnapshotOptions['hosts'];
  authorize?: SnapshotOptions['authorize'];
  redirectGit?: boolean;
  keepAliveInterval?: number;
  offload?: SnapshotOptions['offload'];
  /** Middleware of the host app's that goes before the router. */
  before?: (express: typeof express5) => RequestHandler[];
}

/** A host app with the router and, after it, a route of its own that answers 418. */
export async function serve(
  service: FakeService,
  {
    version = 'Express 5',
    mount = 'under /git',
    hosts = ['github.com'],
    before = () => [],
    ...rest
  }: ServeOptions = {},
): Promise<TestServer> {
  const log: LogLine[] = [];
  const write = (level: string) => (fields: object, message: string) =>
    void log.push({ level, fields: { ...fields }, message });
  const logger: Logger = {
    warn: write('warn'),
    error: write('error'),
  };
  service.allowList = parseOptions({ dataDir: 'unused', hosts });
  const express = EXPRESS[version];
  const app = express();
  for (const middleware of before(express)) app.use(middleware);
  const { prefix, mount: mountOn } = MOUNTS[mount];
  const router = createSnapshotRouter({ service, logger, ...rest });
  mountOn(app, router, express);
  app.use((_req, res) => void res.status(418).send('host app'));
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    prefix,
    log,
    app,
    events: router.events,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface Reply {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
  /** On a connection that an earlier request used. */
  reused: boolean;
}

export interface SendOptions {
  method?: string;
  headers?: Record<string, string>;
  agent?: Agent;
  body?: string | Buffer;
  signal?: AbortSignal;
}

/** One request below the mount. The path goes out as it is. Rejects when the body breaks off. */
export async function send(
  { port, prefix }: Pick<TestServer, 'port' | 'prefix'>,
  path: string,
  options: SendOptions = {},
): Promise<Reply> {
  const { res, reused } = await begin({ port, prefix }, path, options);
  const parts: Buffer[] = [];
  for await (const part of res) parts.push(part);
  return { status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(parts), reused };
}

/** Like `send`, but leaves the body to be read. */
export async function begin(
  { port, prefix }: Pick<TestServer, 'port' | 'prefix'>,
  path: string,
  { body, ...options }: SendOptions = {},
): Promise<{ res: IncomingMessage; reused: boolean }> {
  const req = request({ host: '127.0.0.1', port, path: prefix + path, agent: false, ...options });
  req.end(body);
  const [res]: IncomingMessage[] = await once(req, 'response');
  if (res === undefined) throw new Error('no response');
  req.on('error', () => {}); // a reset is an error of both request and response
  return { res, reused: req.reusedSocket };
}

/** Sends and receives bytes, for requests that Node's client refuses or changes. */
export async function sendRaw({ port }: TestServer, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(text, 'latin1');
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part);
  return Buffer.concat(parts).toString('latin1');
}
