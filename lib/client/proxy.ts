import http, { type ClientRequestArgs, type RequestOptions } from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';

/**
 * The options with which `get` of node:http or node:https reaches a URL by a proxy. An https server
 * is reached through a tunnel (RFC 9110, 9.3.6), so the proxy sees only its name.
 */
export function throughProxy(
  url: URL,
  proxy: URL,
  { headers, signal }: Pick<RequestOptions, 'headers' | 'signal'>,
): RequestOptions {
  const authorization = proxyAuthorization(proxy);
  if (url.protocol === 'https:') {
    const createConnection = tunnel(url, proxy, { headers: authorization, signal });
    // With an agent, Node would not use the function.
    return { createConnection, agent: undefined };
  }
  return {
    protocol: proxy.protocol,
    hostname: unbracketed(proxy.hostname),
    port: proxy.port,
    path: url.href.replace(/#.*$/, ''),
    headers: { ...headers, host: url.host, ...authorization },
  };
}

type Connected = (error: Error | null, socket: Duplex) => void;

function tunnel(url: URL, proxy: URL, options: Pick<RequestOptions, 'headers' | 'signal'>) {
  const host = unbracketed(url.hostname);
  const target = `${url.hostname}:${url.port || 443}`;
  return (_: ClientRequestArgs, connected: Connected): undefined => {
    const fail = (error: Error) => Reflect.apply(connected, undefined, [error]);
    const { request } = proxy.protocol === 'https:' ? https : http;
    const headers = { host: target, ...options.headers };
    request(proxy, { ...options, method: 'CONNECT', path: target, headers, agent: false })
      .on('connect', ({ statusCode }, socket, head) => {
        // No server speaks before TLS begins.
        if (statusCode === 200 && head.length === 0) {
          connected(null, connect({ socket, host, servername: isIP(host) === 0 ? host : '' }));
          return;
        }
        socket.destroy();
        fail(new Error(`the proxy answered ${statusCode}`));
      })
      .on('error', fail)
      .end();
  };
}

/** Name and password in the proxy's URL (RFC 7617). */
function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}

function unbracketed(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
