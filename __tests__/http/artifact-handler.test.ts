import { Agent } from 'node:http';
import { parseRepository } from '../../lib/repository.js';
import { BYTES, CASES, servedArtifact } from './served-artifact.js';
import { type SendOptions, send } from './test-server.js';

describe.each(CASES)('%s with %s, mounted %s:', (...served) => {
  const artifact = servedArtifact(...served);
  const { file, idOf, extension, path, missing, ownHeaders, storedHeaders, get } = artifact;

  describe('when it is stored,', () => {
    test('GET sends the whole artifact', async () => {
      const reply = await get();
      expect(reply.status).toBe(200);
      expect(reply.headers).toMatchObject({ ...storedHeaders, 'content-length': '1000' });
      expect(reply.headers['transfer-encoding']).toBeUndefined();
      expect(reply.body.equals(BYTES)).toBe(true);
      expect(artifact.source.calls).toEqual(artifact.asksStored);
    });

    test('HEAD sends the same headers as GET, from metadata alone', async () => {
      const { headers } = await get();
      artifact.source.calls.length = 0;
      const reply = await get({}, path, { method: 'HEAD' });
      expect({ ...reply.headers, date: 0 }).toEqual({ ...headers, date: 0 });
      expect([reply.status, reply.body.length]).toEqual([200, 0]);
      expect(artifact.source.calls).toEqual(['statStored']);
    });

    test('an empty repository has no commit header, and an odd name stays within one header', async () => {
      const repository = parseRepository('github.com/org/a"b é');
      artifact.source.store(idOf(repository), { bytes: BYTES, etag: '"e"', commit: undefined });
      const reply = await get({}, `/github.com/org/a%22b%20%C3%A9/${file}`);
      expect(reply.status).toBe(200);
      expect(reply.headers['x-cachew-snapshot-commit']).toBeUndefined();
      expect(reply.headers['content-disposition']).toBe(
        `attachment; filename="a_b _.${extension}"; filename*=UTF-8''a%22b%20%C3%A9.${extension}`,
      );
    });
  });

  describe('when it is not stored,', () => {
    let built: () => number;

    beforeEach(() => {
      built = artifact.build();
    });

    test('GET sends the artifact in chunks, with the headers that are known before them', async () => {
      const reply = await get({ range: 'bytes=0-1' }, missing);
      expect(reply.status).toBe(200);
      expect(reply.headers).toMatchObject({
        ...ownHeaders,
        'cache-control': 'no-cache',
        etag: '"built"',
        'transfer-encoding': 'chunked',
        'content-disposition': `attachment; filename="new.${extension}"`,
      });
      for (const name of ['content-length', 'last-modified', 'accept-ranges', 'content-range']) {
        expect(reply.headers[name]).toBeUndefined();
      }
      expect(reply.body.equals(BYTES)).toBe(true);
    });

    test('a stored artifact that may not be served counts as missing', async () => {
      artifact.source.maySend = () => false;
      const reply = await get({ range: 'bytes=0-1' });
      expect([reply.status, reply.headers.etag]).toEqual([200, '"built"']);
      expect((await get({ 'if-match': '*' })).status).toBe(412);
      expect((await get({}, path, { method: 'HEAD' })).status).toBe(200);
      expect(built()).toBe(1);
    });

    test('GET makes no call that it does not need', async () => {
      await get({}, missing);
      expect(artifact.source.calls).toEqual(artifact.asksNew);
    });

    test('HEAD is answered with 404, and nothing is built', async () => {
      const headers = { 'if-match': '*', 'if-none-match': '"x"' };
      for (const conditions of [{}, headers]) {
        expect((await get(conditions, missing, { method: 'HEAD' })).status).toBe(404);
      }
      expect(artifact.source.calls).toEqual(['statStored', 'statStored']);
    });
  });

  test('a connection stays usable after any answer', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const requests: [string, SendOptions, number][] = [
      [`/github.com/../x/${file}`, {}, 400],
      [`/gitlab.com/x/${file}`, {}, 403],
      [missing, { method: 'HEAD' }, 404],
      [path, { method: 'POST', body: 'x'.repeat(100_000) }, 405],
      [path, { headers: { 'if-match': '"x"' } }, 412],
      [path, { headers: { range: 'bytes=1000-' } }, 416],
      [path, { headers: { 'if-none-match': '*' } }, 304],
      [missing, {}, 500],
      [path, { headers: { range: 'bytes=1-' } }, 206],
      [path, { method: 'HEAD' }, 200],
      [path, {}, 200],
    ];
    try {
      for (const [index, [target, options, status]] of requests.entries()) {
        const reply = await send(artifact.server, target, { ...options, agent });
        expect([index, reply.status, reply.reused]).toEqual([index, status, index > 0]);
      }
    } finally {
      agent.destroy();
    }
  });
});
