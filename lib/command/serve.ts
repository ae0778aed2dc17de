import { Console } from 'node:console';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { unlessAborted } from '../async/abort.js';
import { hasCode } from '../errors.js';
import type { SnapshotRouter } from '../index.js';
import { loadServer } from './load-server.js';
import { isLoopback, onlyLocalNames } from './local-names.js';
import { servedHosts } from './served-hosts.js';
import type { Surroundings } from './surroundings.js';
import { HELP, helpOf, parse, type Syntax, UsageError } from './syntax.js';

export const SERVE = {
  usage: 'serve --host <host>',
  summary: 'Serves snapshots of the repositories of git hosts.',
  details: `It asks its clients for no password, so only programs on this machine reach it, unless --bind
names another address. It needs the package express.`,
  options: {
    host: {
      type: 'string',
      value: 'host',
      multiple: true,
      text: 'a git host, such as github.com, or its base URL; may be repeated',
    },
    data: {
      type: 'string',
      value: 'directory',
      text: 'for mirrors and snapshots; default: ./data',
    },
    port: { type: 'string', value: 'n', text: '0: any free one; default: 3000' },
    bind: { type: 'string', value: 'address', text: 'to listen on; default: 127.0.0.1' },
    'allow-private-addresses': { type: 'boolean', text: 'for hosts in your own network' },
    help: HELP,
  },
  variables: {
    GIT_TOKEN: 'to read private repositories of the host. All clients can then read them',
    GIT_USERNAME: 'sent to the host with the token; default: x-access-token',
  },
} as const satisfies Syntax;

/**
 * Serves until `stop` aborts, then answers the requests that have come, and stores their snapshots.
 *
 * @throws UsageError; a failed start; the reason of `hurry`.
 */
export async function serve(args: readonly string[], surroundings: Surroundings): Promise<void> {
  const { stdout, stderr, stop } = surroundings;
  const { values, positionals } = parse(SERVE, args);
  if (values.help) {
    stdout.write(helpOf(SERVE));
    return;
  }
  if (positionals.length > 0) throw new UsageError('serve takes options only: see its --help');
  const { data = './data', port = '3000', bind = '127.0.0.1' } = values;
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new UsageError('--port must be a number from 0 to 65535');
  }
  const allowPrivateAddresses = values['allow-private-addresses'] ?? false;
  const hosts = servedHosts(values.host ?? [], allowPrivateAddresses, surroundings);
  const { express, createSnapshotRouter, createStatusPage } = await loadServer(args);
  const logger = new Console(stdout, stderr);
  const snapshots = createSnapshotRouter({ dataDir: data, hosts, logger });
  const statusPage = createStatusPage(snapshots, { logger });
  try {
    await snapshots.ready({ signal: stop });
    const app = express().disable('x-powered-by');
    if (isLoopback(bind)) app.use(onlyLocalNames);
    const server = createServer(app);
    app.use((_req, res, next) => {
      // A client with an open connection must not send it further requests.
      if (!server.listening) res.set('Connection', 'close');
      next();
    });
    app.use('/git', snapshots);
    app.use(statusPage);
    const url = await listen(server, Number(port), bind);
    for (const host of Object.keys(hosts)) {
      const example = `${url}/git/${host}/<owner>/<name> <directory>`;
      stdout.write(`Restore with: npx express-git-snapshot restore ${example}\n`);
    }
    stdout.write(`Status page: ${url}/\n`);
    if (!stop.aborted) await once(stop, 'abort');
    await statusPage.close(); // its live updates would keep the server open
    await end(server, snapshots, surroundings);
  } finally {
    await statusPage.close();
    await snapshots.close();
  }
}

/** @returns the URL to show. */
async function listen(server: Server, port: number, bind: string): Promise<string> {
  try {
    server.listen(port, bind);
    await once(server, 'listening');
  } catch (cause) {
    if (!hasCode(cause, 'EADDRINUSE')) throw cause;
    throw new Error(`port ${port} of ${bind} is in use: choose another one by --port`, { cause });
  }
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const isAny = bind === '0.0.0.0' || bind === '::';
  const name = isAny ? 'localhost' : bind.includes(':') ? `[${bind}]` : bind;
  return `http://${name}:${address.port}`;
}

/** Answers the requests that have come, and stores their snapshots; `hurry` ends both. */
async function end(
  server: Server,
  snapshots: SnapshotRouter,
  { stderr, hurry }: Surroundings,
): Promise<void> {
  const answered = once(server, 'close');
  server.close();
  stderr.write('Ending when all requests are answered. To end at once, interrupt again.\n');
  try {
    await unlessAborted(answered, hurry);
    await snapshots.close({ drain: true, signal: hurry });
    hurry.throwIfAborted();
  } finally {
    server.closeAllConnections();
  }
}
