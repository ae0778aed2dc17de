import http from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';

/**
 * Opens a tunnel through a proxy (RFC 9110, 9.3.6). Name and password may be in the proxy's URL.
 * The proxy resolves the target's name.
 *
 * @param target `host:port`; IPv6 addresses in brackets.
 * @throws an error without credentials in its message, when the proxy can't be reached or refuses.
 */
export function openTunnel(proxy: URL, target: string, signal?: AbortSignal): Promise<Duplex> {
  const { request } = proxy.protocol === 'https:' ? https : http;
  const headers = { host: target, ...proxyAuthorization(proxy) };
  const { origin } = proxy; // without the credentials, of which Node would make another header
  return new Promise((resolve, reject) => {
    request(origin, { method: 'CONNECT', path: target, headers, signal, agent: false })
      .on('connect', ({ statusCode }, socket, head) => {
        // No git server and no TLS server speaks first.
        if (statusCode === 200 && head.length === 0) return resolve(socket);
        socket.destroy();
        reject(new Error(`the proxy answered ${statusCode}`));
      })
      .on('error', reject)
      .end();
  });
}

/** Name and password in a proxy's URL (RFC 7617). */
export function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const credentials = `${decoded(username)}:${decoded(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
}

/** A text with a percent sign that begins no escape stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
