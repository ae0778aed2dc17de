import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer, type LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { connectProxy } from '../support/connect-proxy.js';
import { cleanup } from '../support/temporary-directory.js';
import {
  ADVERTISEMENT,
  clientOf,
  getRefs,
  INFO_REFS,
  listen,
  readAll,
  rejection,
  serve,
} from './http-fixture.js';

const resources = cleanup(afterEach);

const serveRefs = (address?: string) =>
  serve(resources, (_req, res) => res.writeHead(200, ADVERTISEMENT).end('refs'), address);

/** Resolves the first name to the first address, and so on; all later names to the last one. */
function resolver(...addresses: string[]): LookupFunction & { calls: string[] } {
  const calls: string[] = [];
  const lookup: LookupFunction = (hostname, _options, callback) => {
    const address = addresses[Math.min(calls.length, addresses.length - 1)] ?? '';
    calls.push(hostname);
    callback(null, [{ address, family: address.includes(':') ? 6 : 4 }]);
  };
  return Object.assign(lookup, { calls });
}

describe('The address policy', () => {
  test.each(['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]'])(
    'holds for http://%s',
    async (name) => {
      const upstream = await serveRefs();
      const { host, origin } = new URL(`http://${name}:${upstream.port}`);

      const refused = clientOf(resources, `${origin}/repo`, { trusted: [], untrusted: [host] });
      expect(await rejection(getRefs(refused, `${origin}/repo`))).toMatchObject({
        code: 'UPSTREAM_ADDRESS_FORBIDDEN',
        message: expect.stringMatching(/has no public address/),
      });
      expect(upstream.sockets).toHaveLength(0);

      const allowed = clientOf(resources, `${origin}/repo`, { trusted: [host] });
      expect(String(await readAll(await getRefs(allowed, `${origin}/repo`)))).toBe('refs');
    },
  );

  const hasIPv6 = Object.values(networkInterfaces())
    .flat()
    .some((address) => address?.address === '::1');

  (hasIPv6 ? test : test.skip)('holds for http://[::1]', async () => {
    const { url, host, sockets } = await serveRefs('::1');

    const refused = clientOf(resources, url, { trusted: [], untrusted: [host] });
    expect(await rejection(getRefs(refused, url))).toMatchObject({
      code: 'UPSTREAM_ADDRESS_FORBIDDEN',
    });
    expect(sockets).toHaveLength(0);

    const allowed = clientOf(resources, url, { trusted: [host] });
    expect(String(await readAll(await getRefs(allowed, url)))).toBe('refs');
  });

  test('is lifted for one host at one port only', async () => {
    const upstream = await serveRefs();
    const other = await serveRefs();
    const client = clientOf(resources, other.url, {
      trusted: [upstream.host],
      untrusted: [other.host],
    });

    expect(await rejection(getRefs(client, other.url))).toMatchObject({
      code: 'UPSTREAM_ADDRESS_FORBIDDEN',
    });
    expect(other.sockets).toHaveLength(0);
  });

  test('checks the address of each connection, whatever the name resolved to before', async () => {
    const upstream = await serveRefs();
    const url = `http://rebind.test:${upstream.port}/repo`;
    // A public address that IANA has not assigned: no server answers there.
    const lookup = resolver('2e00::1', '127.0.0.1');
    const client = clientOf(resources, url, {
      trusted: [],
      untrusted: [`rebind.test:${upstream.port}`],
      connectTimeout: 100,
      lookup,
    });

    const first = await rejection(getRefs(client, url));
    expect(first).not.toMatchObject({ message: expect.stringMatching(/no public address/) });
    expect(lookup.calls).toEqual(['rebind.test']);

    expect(await rejection(getRefs(client, url))).toMatchObject({
      code: 'UPSTREAM_ADDRESS_FORBIDDEN',
      message: expect.stringMatching(/rebind\.test has no public address/),
    });
    expect(lookup.calls).toEqual(['rebind.test', 'rebind.test']);
    expect(upstream.sockets).toHaveLength(0);
  });
});

test('Only allowed hosts are connected to', async () => {
  const upstream = await serveRefs();
  const client = clientOf(resources, upstream.url, { trusted: ['127.0.0.1', 'git.test'] });

  expect(await rejection(getRefs(client, upstream.url))).toMatchObject({
    code: 'UPSTREAM_ADDRESS_FORBIDDEN',
    message: `${upstream.host} is not an allowed host`,
  });
  expect(upstream.sockets).toHaveLength(0);
});

describe('A connection', () => {
  test('that is refused makes the upstream unreachable', async () => {
    const { url, server } = await serveRefs();
    server.close();
    await once(server, 'close');

    expect(await rejection(getRefs(clientOf(resources, url), url))).toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      message: `${url}: ECONNREFUSED`,
    });
  });

  test('to a name that does not resolve makes the upstream unreachable', async () => {
    const failure = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
    const lookup: LookupFunction = (_hostname, _options, callback) => callback(failure, []);
    const url = 'http://git.test/repo';

    expect(await rejection(getRefs(clientOf(resources, url, { lookup }), url))).toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      cause: failure,
    });
  });

  test('that is not made in time is a timeout', async () => {
    const { port } = await listen(createTcpServer(), resources);
    const url = `https://127.0.0.1:${port}/repo`;

    const client = clientOf(resources, url, { connectTimeout: 50 });
    expect(await rejection(getRefs(client, url))).toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
  });

  test('that is still being made ends when the client is closed', async () => {
    const { server, port } = await listen(createTcpServer(), resources);
    const url = `https://127.0.0.1:${port}/repo`;
    const client = clientOf(resources, url);

    const refs = rejection(getRefs(client, url));
    const [socket] = await once(server, 'connection');
    const gone = once(socket.resume(), 'close');
    await client.close();

    expect(await refs).toMatchObject({ code: 'ABORTED' });
    await gone;
  });
});

describe('A TLS connection', () => {
  // For git.test, signed by itself, from 2020 to 2120; made for this test.
  const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgNZQVKFAa74SRiRgS
leOYW6C2bimPw/rDPMEbOFODdD6hRANCAAQlW8JAduPH3GAlOrddazHZeKRlBLZH
q4P1OvSxYq1Rv8ByX0gsSJ5do9XKVFSu8x0KjLnqVU+CuQgri+q261Yk
-----END PRIVATE KEY-----`;
  const cert = `-----BEGIN CERTIFICATE-----
MIIBXTCCAQSgAwIBAgIBATAKBggqhkjOPQQDAjATMREwDwYDVQQDDAhnaXQudGVz
dDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowEzERMA8GA1UEAwwI
Z2l0LnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQlW8JAduPH3GAlOrdd
azHZeKRlBLZHq4P1OvSxYq1Rv8ByX0gsSJ5do9XKVFSu8x0KjLnqVU+CuQgri+q2
61Yko0cwRTATBgNVHREEDDAKgghnaXQudGVzdDAPBgNVHRMBAf8EBTADAQH/MB0G
A1UdDgQWBBQiXXl0FykT6WD8iFWKBZoMUGaDojAKBggqhkjOPQQDAgNHADBEAiBB
kHxcfTVyu+7UjNFN+yikr4FRjUS4fconyzEW+NnI1gIgF5oCbn69AWnf8GK5CK/g
P5rKurxjwJd14YNEwWJq4O4=
-----END CERTIFICATE-----`;

  async function serveTls() {
    const server = createHttpsServer({ key, cert }, (_req, res) => {
      res.writeHead(200, ADVERTISEMENT).end('refs');
    });
    const names: unknown[] = [];
    server.on('secureConnection', (socket: TLSSocket & { servername?: unknown }) => {
      names.push(socket.servername);
    });
    const { port } = await listen(server, resources);
    return { port, names };
  }

  test('is refused when the certificate is not trusted', async () => {
    const { port } = await serveTls();
    const url = `https://git.test:${port}/repo`;
    const client = clientOf(resources, url, { lookup: resolver('127.0.0.1') });

    expect(await rejection(getRefs(client, url))).toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      message: `${url}: DEPTH_ZERO_SELF_SIGNED_CERT`,
    });
  });

  /** Runs a program of its own, because Node reads additional authorities only at its start. */
  async function getRefsInNewProcess(
    url: string,
    authorities: string,
    proxy?: string,
  ): Promise<string> {
    const library = new URL('../../lib/upstream/http-client.js', import.meta.url);
    const program = `
      import { createHttpClient } from ${JSON.stringify(library.href)};
      const task = {
        upstreamUrl: ${JSON.stringify(url)},
        hosts: new Map([[${JSON.stringify(new URL(url).host)}, {
          allowPrivateAddresses: ${proxy === undefined},
          proxy: ${JSON.stringify(proxy)},
        }]]),
        userAgent: 'git/2.0 (test)',
        timeouts: { connectTimeout: 600_000 }, limits: { maxRefsBytes: 1024 },
      };
      const lookup = (hostname, options, callback) => {
        callback(null, [{ address: '127.0.0.1', family: 4 }]);
      };
      const client = createHttpClient(task, new AbortController().signal, lookup);
      try {
        const { body } = await client.request({ url: ${JSON.stringify(url + INFO_REFS)} });
        for await (const chunk of body) process.stdout.write(chunk);
      } catch (error) {
        process.stdout.write(error.message);
      }
      await client.close();`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: authorities, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    resources.defer(() => child.kill());
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
    return output;
  }

  test('names the host, accepts its certificate, and ends when the client is closed', async () => {
    const { port, names } = await serveTls();
    const authorities = join(await resources.directory(), 'authorities.pem');
    await writeFile(authorities, cert);

    expect(await getRefsInNewProcess(`https://git.test:${port}/repo`, authorities)).toBe('refs');
    expect(names).toEqual(['git.test']);

    const other = `https://other.test:${port}/repo`;
    expect(await getRefsInNewProcess(other, authorities)).toBe(
      `${other}: ERR_TLS_CERT_ALTNAME_INVALID`,
    );
  });

  test('goes through the tunnel of a proxy, which sees only the name of the host', async () => {
    const { port, names } = await serveTls();
    const authorities = join(await resources.directory(), 'authorities.pem');
    await writeFile(authorities, cert);
    const routes = { [`git.test:${port}`]: port, [`other.test:${port}`]: port };
    const proxy = await connectProxy(resources, routes);

    const refs = await getRefsInNewProcess(`https://git.test:${port}/repo`, authorities, proxy.url);
    expect(refs).toBe('refs');
    expect(names).toEqual(['git.test']);
    expect(proxy.targets).toEqual([`git.test:${port}`]);

    const other = `https://other.test:${port}/repo`;
    expect(await getRefsInNewProcess(other, authorities, proxy.url)).toBe(
      `${other}: ERR_TLS_CERT_ALTNAME_INVALID`,
    );
  });
});

describe('Through a proxy', () => {
  const withSecret = (url: string) => url.replace('//', '//me:secret@');

  test('a host is reached by its name, which only the proxy resolves', async () => {
    const { port } = await serveRefs();
    const proxy = await connectProxy(resources, { 'git.test:80': port });
    const url = 'http://git.test/repo';
    const lookup = resolver('127.0.0.1');
    const options = { trusted: [], untrusted: ['git.test'], proxy: withSecret(proxy.url), lookup };
    const client = clientOf(resources, url, options);
    expect(String(await readAll(await getRefs(client, url)))).toBe('refs');
    expect(proxy.targets).toEqual(['git.test:80']);
    expect(lookup.calls).toEqual([]);
  });

  test.each([
    ['a host that is not in the allow-list', 'http://git.test/repo', ['other.test']],
    ['a private address in a URL', 'http://10.0.0.1/repo', ['10.0.0.1']],
    ['the address of this machine in a URL', 'http://[::1]/repo', ['[::1]']],
  ])('%s is refused before the proxy is asked', async (_, url, untrusted) => {
    const proxy = await connectProxy(resources, {});
    const client = clientOf(resources, url, { trusted: [], untrusted, proxy: proxy.url });
    const refused = { code: 'UPSTREAM_ADDRESS_FORBIDDEN' };
    expect(await rejection(getRefs(client, url))).toMatchObject(refused);
    expect(proxy.targets).toEqual([]);
  });

  test('that refuses, a fetch fails without showing the password', async () => {
    const proxy = await serve(resources, () => {});
    proxy.server.on('connect', (_req: unknown, socket: Duplex) =>
      socket.end('HTTP/1.1 407 No\r\n\r\n'),
    );
    const url = 'https://git.test/repo';
    const client = clientOf(resources, url, {
      proxy: withSecret(`http://127.0.0.1:${proxy.port}`),
    });
    const message = 'no connection to git.test through its proxy: Error: the proxy answered 407';
    expect(await rejection(getRefs(client, url))).toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      message,
    });
  });

  test('that does not answer, a fetch fails after connectTimeout', async () => {
    const proxy = await connectProxy(resources, {});
    const url = 'https://git.test/repo';
    const client = clientOf(resources, url, { proxy: proxy.url, connectTimeout: 50 });
    expect(await rejection(getRefs(client, url))).toMatchObject({ code: 'UPSTREAM_TIMEOUT' });
  });
});
