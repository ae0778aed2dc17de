import { lookup as dnsLookup } from 'node:dns';
import http, { type ClientRequest, type ClientRequestArgs } from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction, Socket } from 'node:net';
import { addAbortSignal, type Duplex } from 'node:stream';
import { atDeadline } from '../async/deadline.js';
import { SnapshotError } from '../errors.js';
import { isPublicAddress, noPublicAddress, publicOnly } from './address-policy.js';
import { openTunnel } from './proxy-tunnel.js';
import type { UpstreamTask } from './task.js';

interface Route {
  readonly lookup: LookupFunction;
  /** Resolves the names itself. */
  readonly proxy: string | undefined;
}

/**
 * Opens the connections to upstreams. Every connection, also after a redirect, must meet the
 * allow-list and the address policy; otherwise its request fails with `UPSTREAM_ADDRESS_FORBIDDEN`.
 * It fails with `UPSTREAM_TIMEOUT` if name resolution, TCP and TLS take longer than `connectTimeout`.
 *
 * @param signal destroys all sockets, also while they connect.
 */
export function upstreamConnector(
  { hosts, timeouts: { connectTimeout } }: UpstreamTask,
  signal: AbortSignal,
  lookup: LookupFunction = dnsLookup,
) {
  const publicLookup = publicOnly(lookup);

  /** Returns how to connect to a host, or the error that refuses the connection. */
  function permit(host: string, hostname: string): Route | SnapshotError {
    // Agents also connect for queued requests that were aborted meanwhile.
    if (signal.aborted) return new SnapshotError('ABORTED', `${host} is not needed any more`);
    const allowed = hosts.get(host);
    if (!allowed) {
      return new SnapshotError('UPSTREAM_ADDRESS_FORBIDDEN', `${host} is not an allowed host`);
    }
    const { allowPrivateAddresses, proxy } = allowed;
    // `net.connect` and proxies do not look up addresses, so they are checked here.
    const isPrivate = isIP(hostname) !== 0 && !isPublicAddress(hostname);
    if (isPrivate && !allowPrivateAddresses) return noPublicAddress(hostname);
    return { lookup: allowPrivateAddresses ? lookup : publicLookup, proxy };
  }

  /** Makes an agent open its connections under these rules. */
  function guarded<A extends http.Agent>(agent: A, scheme: string, connected: string): A {
    const open = agent.createConnection.bind(agent);
    agent.createConnection = (options: ClientRequestArgs, callback) => {
      const hostname = options.host ?? '';
      const host = urlHost(scheme, hostname, options.port);
      const permitted = permit(host, hostname);
      if (SnapshotError.is(permitted)) {
        // The socket is unused: the type requires one.
        callback?.(permitted, new Socket());
        return undefined;
      }
      const { proxy } = permitted;
      if (proxy === undefined) return watched(open({ ...options, lookup: permitted.lookup }), host);
      tunnelTo(host, options.port, proxy).then(
        (socket) => {
          addAbortSignal(signal, socket);
          // The agent for https secures the socket that it is given.
          const secured = scheme === 'https' && watched(open({ ...options, ...{ socket } }), host);
          callback?.(null, secured || socket);
        },
        // The socket is unused: the type requires one.
        (error: Error) => callback?.(error, new Socket()),
      );
      return undefined;
    };
    const watched = (socket: Duplex | null | undefined, host: string) => {
      if (!socket) return undefined;
      addAbortSignal(signal, socket);
      limitConnecting(socket, connected, host);
      return socket;
    };
    return agent;
  }

  /** @throws SnapshotError `UPSTREAM_UNREACHABLE`, `UPSTREAM_TIMEOUT`; the signal's reason. */
  async function tunnelTo(host: string, port: ClientRequestArgs['port'], proxy: string) {
    const late = new AbortController();
    const stop = atDeadline(connectTimeout, () => late.abort());
    const target = host.endsWith(`:${port}`) ? host : `${host}:${port}`;
    try {
      return await openTunnel(new URL(proxy), target, AbortSignal.any([signal, late.signal]));
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      const isLate = late.signal.aborted;
      const why = isLate ? `none within ${connectTimeout} ms` : String(cause);
      const message = `no connection to ${host} through its proxy: ${why}`;
      throw new SnapshotError(isLate ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_UNREACHABLE', message, {
        cause,
      });
    } finally {
      stop();
    }
  }

  function limitConnecting(socket: Duplex, connected: string, host: string): void {
    const stop = atDeadline(connectTimeout, () => {
      const message = `no connection to ${host} within ${connectTimeout} ms`;
      socket.destroy(new SnapshotError('UPSTREAM_TIMEOUT', message));
    });
    socket.once(connected, stop).once('close', stop);
  }

  // With a higher limit, a request right after the end of an answer would open a second socket.
  const kept = { keepAlive: true, maxSockets: 1 };
  const plain = guarded(new http.Agent(kept), 'http', 'connect');
  const secure = guarded(new https.Agent(kept), 'https', 'secureConnect');
  return {
    /** `request()` of node:http or node:https, over one connection per origin that is kept open. */
    request: (url: URL, options: Omit<ClientRequestArgs, 'agent'>): ClientRequest =>
      url.protocol === 'https:'
        ? https.request(url, { ...options, agent: secure })
        : http.request(url, { ...options, agent: plain }),
    /** Closes all connections. Idempotent. */
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

/** `URL.host` of a connection's target. */
function urlHost(scheme: string, hostname: string, port: ClientRequestArgs['port']): string {
  const name = isIP(hostname) === 6 ? `[${hostname}]` : hostname;
  return new URL(`${scheme}://${name}:${port}`).host;
}
