import { isIPv4 } from 'node:net';
import { SnapshotError } from '../errors.js';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that the environment names for a URL, by the rules of Node's `NODE_USE_ENV_PROXY`:
 * `https_proxy` or `http_proxy`, unless `no_proxy` names the host. Names in lower case come first.
 *
 * @throws SnapshotError `INVALID_OPTIONS` when its URL is malformed. The message has no secrets.
 */
export function proxyFor(url: URL, environment: Environment = process.env): URL | undefined {
  const scheme = url.protocol.slice(0, -1);
  const read = (name: string) => environment[name] || environment[name.toUpperCase()];
  const proxy = read(`${scheme}_proxy`);
  if (proxy === undefined || isExcepted(url, read('no_proxy') ?? '')) return undefined;
  const text = proxy.includes('://') ? proxy : `http://${proxy}`;
  if (URL.canParse(text) && /^https?:\/\//i.test(text)) return new URL(text);
  throw new SnapshotError('INVALID_OPTIONS', `${scheme}_proxy is no http or https URL`);
}

/** `no_proxy`: `*`, or hosts, each with a port or not; `.example.com` and `*.example.com`; ranges. */
function isExcepted(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((item) => item !== '')
    .some((item) => {
      if (item === '*') return true;
      if (isInRange(host, item)) return true;
      const [, name = item, itsPort = port] = /^(\[.+\]|[^:]+):(\d+)$/.exec(item) ?? [];
      const suffix = name.replace(/^\[|\]$/g, '').replace(/^\*(?=\.)/, '');
      if (itsPort !== port) return false;
      return suffix.startsWith('.') ? host.endsWith(suffix) : host === suffix;
    });
}

/** `10.0.0.1-10.0.0.99` */
function isInRange(host: string, item: string): boolean {
  const [from = '', to = '', ...more] = item.split('-');
  if (more.length > 0 || ![host, from, to].every((address) => isIPv4(address))) return false;
  return numberOf(from) <= numberOf(host) && numberOf(host) <= numberOf(to);
}

function numberOf(ipv4: string): number {
  return ipv4.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
}
