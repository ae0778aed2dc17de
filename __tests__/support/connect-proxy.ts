import { type ClientRequestArgs, createServer, Agent as HttpAgent, request } from 'node:http';
import type { AgentOptions } from 'node:https';
import { connect, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { listen } from './listen.js';
import type { Cleanup } from './temporary-directory.js';

export interface ConnectProxy {
  readonly url: string;
  /** The targets that clients named, as `host:port`. */
  readonly targets: string[];
  /** Called for each client that has named a target. */
  onConnect(listener: () => void): void;
}

/**
 * A proxy that opens tunnels (RFC 9110, 9.3.6).
 *
 * @param routes the port of 127.0.0.1 for each target. The proxy never answers for another target.
 */
export async function connectProxy(
  { defer }: Pick<Cleanup, 'defer'>,
  routes: Readonly<Record<string, number>>,
): Promise<ConnectProxy> {
  const targets: string[] = [];
  const sockets: Duplex[] = [];
  const server = createServer().on('connect', ({ url = '' }, client) => {
    targets.push(url);
    sockets.push(client);
    const port = routes[url];
    if (port === undefined) return;
    const target = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(target).pipe(client);
    });
    sockets.push(target);
    target.on('error', () => client.destroy());
    client.on('error', () => target.destroy());
  });
  const url = await listen(server, defer);
  defer(() => {
    for (const socket of sockets) socket.destroy();
  });
  return { url, targets, onConnect: (listener) => void server.on('connect', listener) };
}

/**
 * Connects by a proxy to servers with http and https, as agents of packages such as
 * `https-proxy-agent` do.
 */
export class ConnectAgent extends HttpAgent {
  /** Set by the base class. */
  declare readonly options: AgentOptions;
  readonly #proxy: string;

  /** @param options `ca` among others, for the servers behind the proxy. */
  constructor(proxy: string, options: AgentOptions = {}) {
    super(options);
    this.#proxy = proxy;
    // Otherwise Node refuses this agent for https.
    Object.assign(this, { protocol: undefined });
  }

  override createConnection(
    options: ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const target = `${options.host}:${options.port}`;
    const isSecure = options.protocol === 'https:';
    request(this.#proxy, { method: 'CONNECT', path: target, agent: false })
      .on('connect', (_answer, socket) => {
        callback(null, isSecure ? secured(socket, options) : socket);
      })
      // The socket is unused: the type requires one.
      .on('error', (error) => callback(error, new Socket()))
      .end();
  }
}

/** TLS over a tunnel. */
function secured(socket: Duplex, options: ClientRequestArgs): Duplex {
  const { host: _host, port: _port, path: _path, ...rest } = options;
  return connectTls({ ...rest, servername: options.host ?? '', socket });
}
