import { readdir } from 'node:fs/promises';
import http, { type RequestListener } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { create } from 'tar';
import { type RestoreOptions, restoreSnapshot } from '../../lib/client/index.js';
import { serverCertificate } from '../support/certificate.js';
import { ConnectAgent, connectProxy } from '../support/connect-proxy.js';
import { listen } from '../support/listen.js';
import { cleanup } from '../support/temporary-directory.js';
import { serve } from './archive-server.js';
import { rawFrame, withDigest } from './archives.js';

/*
 * No system knows the names that end in `.test`: only the proxy leads to them.
 */

const { directory, defer } = cleanup(afterEach);
const shared = cleanup(afterAll);
const { ca, cert, key } = serverCertificate('snapshots.test', 'bucket.test');
const SNAPSHOT = 'https://snapshots.test:8443/git/github.com/a/b/snapshot.tar.zst';
let archive: Buffer;
/** Of the targets. */
let parent: string;

beforeAll(async () => {
  const tree = await shared.directory();
  archive = withDigest(rawFrame(await create({ cwd: tree }, ['.']).concat()));
});

beforeEach(async () => {
  parent = await directory();
});

async function restore(url: string, options: Partial<RestoreOptions>) {
  return await restoreSnapshot({
    url,
    directory: join(parent, 'target'),
    retryTimeout: 0,
    ...options,
  });
}

/** @returns the server's port. */
async function serveSecurely(listener: RequestListener): Promise<number> {
  const url = await listen(https.createServer({ cert, key }, listener), defer);
  return Number(new URL(url).port);
}

const sendArchive: RequestListener = (_, res) => res.end(archive);

test('An agent with a CA reaches a server whose certificate this CA has signed', async () => {
  const port = await serveSecurely(sendArchive);
  const agent = new https.Agent({ ca });
  const { verified } = await restore(`https://127.0.0.1:${port}/x`, { agent });
  expect(verified).toBe(true);
});

test('Without the CA, the restore fails and leaves no file', async () => {
  const port = await serveSecurely(sendArchive);
  await expect(restore(`https://127.0.0.1:${port}/x`, {})).rejects.toMatchObject({
    code: 'DOWNLOAD_FAILED',
    message: expect.stringContaining('UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
    status: undefined,
  });
  expect(await readdir(parent)).toEqual([]);
});

describe('Through a proxy', () => {
  const headers = { authorization: 'Bearer secret' };

  test('a restore from an https server succeeds, with the CA of the agent', async () => {
    const port = await serveSecurely(sendArchive);
    const proxy = await connectProxy({ defer }, { 'snapshots.test:8443': port });
    const { verified } = await restore(SNAPSHOT, { agent: new ConnectAgent(proxy.url, { ca }) });
    expect(verified).toBe(true);
    expect(proxy.targets).toEqual(['snapshots.test:8443']);
  });

  test('an agent that was made without a CA takes one from its options', async () => {
    const port = await serveSecurely(sendArchive);
    const proxy = await connectProxy({ defer }, { 'snapshots.test:8443': port });
    const agent = new ConnectAgent(proxy.url);
    agent.options.ca = ca;
    expect((await restore(SNAPSHOT, { agent })).verified).toBe(true);
  });

  test('redirects lead through the proxy as well, also from http to https', async () => {
    const seen: (string | undefined)[] = [];
    const snapshots = await serve({ defer }, (req, res) => {
      seen.push(req.headers.authorization);
      res.writeHead(307, { location: 'https://bucket.test:8443/object' }).end();
    });
    const bucket = await serveSecurely((req, res) => {
      seen.push(req.headers.authorization);
      res.end(archive);
    });
    const proxy = await connectProxy(
      { defer },
      { 'snapshots.test:8080': Number(new URL(snapshots).port), 'bucket.test:8443': bucket },
    );
    const agent = new ConnectAgent(proxy.url, { ca });
    const { verified } = await restore('http://snapshots.test:8080/x', { agent, headers });
    expect(verified).toBe(true);
    expect(proxy.targets).toEqual(['snapshots.test:8080', 'bucket.test:8443']);
    expect(seen).toEqual(['Bearer secret', undefined]);
  });

  test('an abort ends the wait for the proxy', async () => {
    const proxy = await connectProxy({ defer }, {});
    const aborter = new AbortController();
    const agent = new ConnectAgent(proxy.url, { ca });
    const restoring = restore(SNAPSHOT, { agent, signal: aborter.signal });
    const reason = new Error('enough');
    proxy.onConnect(() => aborter.abort(reason));
    await expect(restoring).rejects.toBe(reason);
    expect(await readdir(parent)).toEqual([]);
  });
});

describe('A function', () => {
  test('returns the agent for each URL, also after a redirect', async () => {
    const port = await serveSecurely(sendArchive);
    const target = `https://127.0.0.1:${port}/object`;
    const url = await serve({ defer }, (_, res) => res.writeHead(302, { location: target }).end());
    const secure = new https.Agent({ ca });
    const asked: string[] = [];
    const agent = ({ href, protocol }: URL) => {
      asked.push(href);
      return protocol === 'https:' ? secure : undefined;
    };
    expect((await restore(url, { agent })).verified).toBe(true);
    expect(asked).toEqual([url, target]);
  });

  test('that throws ends the restore', async () => {
    const cause = new Error('no proxy known');
    const agent = () => {
      throw cause;
    };
    const restoring = restore(SNAPSHOT, { agent });
    await expect(restoring).rejects.toMatchObject({ code: 'INTERNAL', cause });
  });
});

test('An agent that keeps connections open gets them back without new listeners', async () => {
  const sockets = new Set<Socket>();
  const url = await serve({ defer }, (req, res) => {
    sockets.add(req.socket);
    res.end(archive);
  });
  const agent = new http.Agent({ keepAlive: true });
  defer(() => agent.destroy());
  const listeners: number[] = [];
  for (const name of ['1', '2', '3']) {
    await restore(url, { agent, directory: join(parent, name) });
    const [free] = Object.values(agent.freeSockets).flat();
    listeners.push(free?.listenerCount('timeout') ?? Number.NaN);
  }
  expect(sockets.size).toBe(1);
  expect(new Set(listeners).size).toBe(1);
});
