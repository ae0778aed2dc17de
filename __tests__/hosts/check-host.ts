import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extractSnapshot } from '../../lib/client/index.js';
import { git } from '../support/run.js';

export type Scheme = 'http' | 'https' | 'http2';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request. Certificates are not checked. */
async function get(scheme: Scheme, port: number, path: string): Promise<Answer> {
  if (scheme === 'http2') return await getByHttp2(port, path);
  const request = scheme === 'https' ? httpsRequest : httpRequest;
  const options = { host: '127.0.0.1', port, path, agent: false, rejectUnauthorized: false };
  return await new Promise((resolve, reject) => {
    request(options, (res) => {
      const { statusCode: status = 0, headers } = res;
      buffer(res).then((body) => resolve({ status, headers, body }), reject);
    })
      .on('error', reject)
      .end();
  });
}

async function getByHttp2(port: number, path: string): Promise<Answer> {
  const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  try {
    return await new Promise((resolve, reject) => {
      session.on('error', reject).on('close', () => reject(new Error('no response')));
      const stream = session.request({ ':path': path });
      stream.on('error', reject).on('response', (headers) => {
        const status = Number(headers[':status']);
        buffer(stream).then((body) => resolve({ status, headers, body }), reject);
      });
    });
  } finally {
    session.close();
  }
}

/** Checks a running host. The mount is `/git`, the repository is `small` of `gitHost`. */
export async function checkHost(
  port: number,
  {
    scheme = 'http',
    gitHost = 'git.example',
    target,
    commit,
  }: {
    scheme?: Scheme | undefined;
    gitHost?: string | undefined;
    target: string;
    commit: string;
  },
): Promise<void> {
  const path = `/git/${gitHost}/small/snapshot.tar.zst`;
  const cold = await get(scheme, port, path);
  expect([cold.status, cold.body.length > 1000]).toEqual([200, true]);
  // The answer to the first request may end before the snapshot is stored.
  let hit = await get(scheme, port, path);
  for (let more = 0; more < 50 && hit.headers['content-length'] === undefined; more++) {
    hit = await get(scheme, port, path);
  }
  const { etag } = cold.headers;
  expect(hit.headers).toMatchObject({ etag, 'content-length': String(cold.body.length) });
  expect(hit.body.equals(cold.body)).toBe(true);

  await extractSnapshot(Readable.from([hit.body]), target);
  expect(await git(target, 'fsck', '--strict')).toBe('');
  expect(await git(target, 'rev-parse', 'HEAD')).toBe(commit);
  expect(await git(target, 'status', '--porcelain')).toBe('');

  // A failure ends only its request.
  const missing = await get(scheme, port, `/git/${gitHost}/missing/snapshot.tar.zst`);
  expect(missing.status).toBe(503);
  expect(JSON.parse(missing.body.toString())).toMatchObject({ code: 'UPSTREAM_NOT_FOUND' });
  expect((await get(scheme, port, path)).status).toBe(200);
}
