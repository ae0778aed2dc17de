import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type express5 from 'express';
import type { RequestHandler } from 'express';
import { createWebhookHandler, type WebhookOptions } from '../../../lib/index.js';
import { EXPRESS, type ExpressVersion, type LogLine, type Reply, send } from '../test-server.js';
import type { Delivery } from './deliveries.js';

export const SECRET = "It's a Secret to Everybody";

export interface WebhookServer {
  readonly port: number;
  /** The URLs of calls of `notifyPush`. */
  readonly pushed: string[];
  readonly log: LogLine[];
  deliver(delivery: Delivery): Promise<Reply>;
  close(): Promise<void>;
}

export interface WebhookServerOptions {
  version?: ExpressVersion;
  secret?: WebhookOptions['secret'];
  /** Answers `notifyPush`. Default: every repository is known. */
  isKnown?: (url: string) => boolean;
  before?: (express: typeof express5) => RequestHandler[];
}

/** Registers a hook that closes the servers of each test. @param usual options of all of them. */
export function webhookServers(
  usual: WebhookServerOptions = {},
): (options?: WebhookServerOptions) => Promise<WebhookServer> {
  let server: WebhookServer | undefined;
  const close = async () => {
    await server?.close();
    server = undefined;
  };
  afterEach(close);
  return async (options = {}) => {
    await close();
    server = await serveWebhook({ ...usual, ...options });
    return server;
  };
}

async function serveWebhook({
  version = 'Express 5',
  secret = SECRET,
  isKnown = () => true,
  before = () => [],
}: WebhookServerOptions): Promise<WebhookServer> {
  const pushed: string[] = [];
  const log: LogLine[] = [];
  const write = (level: string) => (fields: object, message: string) =>
    void log.push({ level, fields: { ...fields }, message });
  const service = {
    notifyPush(url: string) {
      pushed.push(url);
      return isKnown(url);
    },
  };
  const logger = { warn: write('warn'), error: write('error') };
  const express = EXPRESS[version];
  const app = express();
  for (const middleware of before(express)) app.use(middleware);
  app.use('/hooks', createWebhookHandler({ secret, service, logger }));
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    pushed,
    log,
    deliver: ({ headers, body }) =>
      send({ port, prefix: '' }, '/hooks', { method: 'POST', headers, body }),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
