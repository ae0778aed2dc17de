import type { RequestOptions } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { openTunnel, proxyAuthorization } from '../upstream/proxy-tunnel.js';

/**
 * The options with which `get` of node:http or node:https reaches a URL by a proxy. An https server
 * is reached through a tunnel, so the proxy sees only its name.
 */
export function throughProxy(
  url: URL,
  proxy: URL,
  { headers, signal }: { headers: RequestOptions['headers']; signal: AbortSignal | undefined },
): RequestOptions {
  if (url.protocol === 'https:') {
    // With an agent, Node would not use the function.
    return { createConnection: secureTunnel(url, proxy, signal), agent: undefined };
  }
  return {
    protocol: proxy.protocol,
    hostname: unbracketed(proxy.hostname),
    port: proxy.port,
    path: url.href.replace(/#.*$/, ''),
    headers: { ...headers, host: url.host, ...proxyAuthorization(proxy) },
  };
}

type Connected = (error: Error | null, socket: Duplex) => void;

function secureTunnel(url: URL, proxy: URL, signal: AbortSignal | undefined) {
  const host = unbracketed(url.hostname);
  const servername = isIP(host) === 0 ? host : '';
  return (_: object, connected: Connected): undefined => {
    openTunnel(proxy, `${url.hostname}:${url.port || 443}`, signal).then(
      (socket) => connected(null, connect({ socket, host, servername })),
      (error: unknown) => Reflect.apply(connected, undefined, [error]),
    );
  };
}

function unbracketed(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
