import { readdir, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { restoreSnapshot } from '../../lib/client/index.js';
import { proxyFor } from '../../lib/client/proxy-environment.js';
import { serverCertificate } from '../support/certificate.js';
import { connectProxy } from '../support/connect-proxy.js';
import { listen } from '../support/listen.js';
import { run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { serve } from './archive-server.js';
import { rawFrame, withDigest } from './archives.js';
import { tarOfMembers } from './tar-members.js';

/*
 * No system knows the names that end in `.test`: only the proxy leads to them.
 */

const { directory, defer } = cleanup(afterEach);
const { ca, cert, key } = serverCertificate('snapshots.test', 'bucket.test');
const ARCHIVE = withDigest(rawFrame(tarOfMembers([['file', 'content']])));
const sendArchive: RequestListener = (_, res) => res.end(ARCHIVE);

/** Sets variables of the environment until the end of the test. */
function setEnvironment(variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name];
    process.env[name] = value;
    defer(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
}

async function restore(url: string, options: object = {}) {
  const target = join(await directory(), 'target');
  const { verified } = await restoreSnapshot({
    url,
    directory: target,
    retryTimeout: 0,
    ...options,
  });
  return { verified, names: await readdir(target) };
}

const RESTORED = { verified: true, names: ['file'] };

/** Restores, and prints whether the snapshot was verified. Its environment names the proxy and the CA. */
const PROGRAM = `
  import { restoreSnapshot } from ${JSON.stringify(new URL('../../lib/client/index.js', import.meta.url).href)};
  const [url, directory] = process.argv.slice(1);
  const { verified } = await restoreSnapshot({ url, directory, retryTimeout: 0 }).catch(({ message }) => ({ verified: message }));
  console.log(verified);
`;

async function restoreElsewhere(url: string, environment: Record<string, string>): Promise<string> {
  const place = await directory();
  const bundle = join(place, 'ca.pem');
  await writeFile(bundle, ca);
  const args = ['--input-type=module', '-e', PROGRAM, url, join(place, 'target')];
  const env = { NODE_EXTRA_CA_CERTS: bundle, ...environment };
  return (await run(process.execPath, args, { env })).trim();
}

test('An https server is reached through a tunnel of https_proxy, also after a redirect', async () => {
  const object = 'https://bucket.test/object';
  const secure = (listener: RequestListener) =>
    listen(https.createServer({ cert, key }, listener), defer).then((url) =>
      Number(new URL(url).port),
    );
  const snapshots = await secure((_, res) => res.writeHead(307, { location: object }).end());
  const bucket = await secure(sendArchive);
  const routes = { 'snapshots.test:8443': snapshots, 'bucket.test:443': bucket };
  const proxy = await connectProxy({ defer }, routes);
  const outcome = await restoreElsewhere('https://snapshots.test:8443/x', {
    https_proxy: proxy.url,
  });
  expect(outcome).toBe('true');
  expect(proxy.targets).toEqual(['snapshots.test:8443', 'bucket.test:443']);
});

/** A proxy for http that notes what it is asked, and answers itself. */
async function httpProxy(listener: RequestListener) {
  const asked: (string | undefined)[][] = [];
  const proxy = createServer((req, res) => {
    asked.push([req.url, req.headers.host, req.headers['proxy-authorization']]);
    listener(req, res);
  });
  proxy.on('connect', (_, socket) => socket.end('HTTP/1.1 407 No\r\n\r\n'));
  return { url: await listen(proxy, defer), asked };
}

test('An http server is reached by http_proxy, which gets the name and password of its URL', async () => {
  const proxy = await httpProxy(sendArchive);
  setEnvironment({ http_proxy: proxy.url.replace('//', '//me:p%40ss@') });
  expect(await restore('http://snapshots.test:8080/x?ref=a')).toEqual(RESTORED);
  const credentials = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
  expect(proxy.asked).toEqual([
    ['http://snapshots.test:8080/x?ref=a', 'snapshots.test:8080', credentials],
  ]);
});

test('A server that no_proxy names is reached straight, and so is every server with an agent', async () => {
  const url = await serve({ defer }, sendArchive);
  const proxy = await httpProxy(sendArchive);
  setEnvironment({ http_proxy: proxy.url, no_proxy: 'localhost, 127.0.0.1' });
  expect(await restore(url)).toEqual(RESTORED);
  setEnvironment({ no_proxy: '' });
  expect(await restore(url, { agent: () => undefined })).toEqual(RESTORED);
  expect(proxy.asked).toEqual([]);
});

test('A proxy that refuses is named as such, and an abort ends the wait for it', async () => {
  const proxy = await httpProxy(sendArchive);
  setEnvironment({ https_proxy: proxy.url, no_proxy: '' });
  const refused = restore('https://snapshots.test/x');
  await expect(refused).rejects.toMatchObject({
    code: 'DOWNLOAD_FAILED',
    message: expect.stringContaining('the proxy answered 407'),
  });
  const silent = await connectProxy({ defer }, {});
  setEnvironment({ https_proxy: silent.url });
  const aborter = new AbortController();
  const reason = new Error('enough');
  silent.onConnect(() => aborter.abort(reason));
  const restoring = restore('https://snapshots.test/x', { signal: aborter.signal });
  await expect(restoring).rejects.toBe(reason);
});

test.each<[string, Record<string, string>, string | undefined]>([
  ['https://a.test/', { https_proxy: 'http://p:1' }, 'http://p:1/'],
  ['https://a.test/', { HTTPS_PROXY: 'p:1' }, 'http://p:1/'],
  ['https://a.test/', { https_proxy: 'https://p', HTTPS_PROXY: 'http://q' }, 'https://p/'],
  ['https://a.test/', { http_proxy: 'http://p:1' }, undefined],
  ['http://a.test/', { http_proxy: 'http://p:1', no_proxy: 'b.test' }, 'http://p:1/'],
  ['http://a.test/', { http_proxy: 'http://p:1', no_proxy: '*' }, undefined],
  ['http://a.test/', { http_proxy: 'http://p:1', NO_PROXY: 'b.test,A.test' }, undefined],
  ['http://x.a.test/', { http_proxy: 'http://p:1', no_proxy: 'a.test' }, 'http://p:1/'],
  ['http://x.a.test/', { http_proxy: 'http://p:1', no_proxy: '.a.test' }, undefined],
  ['http://x.a.test/', { http_proxy: 'http://p:1', no_proxy: '*.a.test' }, undefined],
  ['http://a.test:81/', { http_proxy: 'http://p:1', no_proxy: 'a.test:80' }, 'http://p:1/'],
  ['http://a.test/', { http_proxy: 'http://p:1', no_proxy: 'a.test:80' }, undefined],
  ['http://10.0.0.7/', { http_proxy: 'http://p:1', no_proxy: '10.0.0.1-10.0.0.9' }, undefined],
  ['http://10.0.1.7/', { http_proxy: 'http://p:1', no_proxy: '10.0.0.1-10.0.0.9' }, 'http://p:1/'],
  ['http://[::1]/', { http_proxy: 'http://p:1', no_proxy: '::1' }, undefined],
  ['http://[::1]:80/', { http_proxy: 'http://p:1', no_proxy: '[::1]:80' }, undefined],
])('For %s, the environment %j means the proxy %j', (url, environment, proxy) => {
  expect(proxyFor(new URL(url), environment)?.href).toBe(proxy);
});

test('A proxy without a usable URL is an error that does not show it', () => {
  for (const https_proxy of ['socks5://me:secret@p', 'http://me:secret@:x']) {
    const finding = () => proxyFor(new URL('https://a.test/'), { https_proxy });
    expect(finding).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTIONS',
        message: 'https_proxy is no http or https URL',
      }),
    );
  }
});
