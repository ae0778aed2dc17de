import { lookup as dnsLookup } from 'node:dns';
import http, { type ClientRequest, type ClientRequestArgs } from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction, Socket } from 'node:net';
import { addAbortSignal, type Duplex } from 'node:stream';
import { atDeadline } from '../async/deadline.js';
import { SnapshotError } from '../errors.js';
import { isPublicAddress, noPublicAddress, publicOnly } from './address-policy.js';
import type { UpstreamTask } from './task.js';

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

  /** Returns the lookup for a host, or the error that refuses the connection. */
  function permit(host: string, hostname: string): LookupFunction | SnapshotError {
    // Agents also connect for queued requests that were aborted meanwhile.
    if (signal.aborted) return new SnapshotError('ABORTED', `${host} is not needed any more`);
    const allowed = hosts.get(host);
    if (!allowed) {
      return new SnapshotError('UPSTREAM_ADDRESS_FORBIDDEN', `${host} is not an allowed host`);
    }
    if (allowed.allowPrivateAddresses) return lookup;
    // `net.connect` does not look up addresses, so they are checked here.
    const isRefused = isIP(hostname) !== 0 && !isPublicAddress(hostname);
    return isRefused ? noPublicAddress(hostname) : publicLookup;
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
      const socket = open({ ...options, lookup: permitted });
      if (socket) {
        addAbortSignal(signal, socket);
        limitConnecting(socket, connected, host);
      }
      return socket;
    };
    return agent;
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
