import { BYTES, CASES, EARLIER, LAST_MODIFIED, LATER, servedArtifact } from './served-artifact.js';

/*
 * Preconditions and ranges (RFC 9110, 13 and 14), for an artifact that is stored and for one that is not.
 */

describe.each(CASES)('%s with %s, mounted %s:', (...served) => {
  const artifact = servedArtifact(...served);
  const { path, missing, storedHeaders, get } = artifact;

  describe('when it is stored, a request with', () => {
    test.each([
      ['bytes=0-0', 0, 0],
      ['bytes=0-16777215', 0, 999],
      ['bytes=10-499', 10, 499],
      ['bytes=999-', 999, 999],
      ['bytes=-200', 800, 999],
      ['bytes=-5000', 0, 999],
    ])('Range: %s gets bytes %i to %i', async (range, start, end) => {
      const reply = await get({ range });
      expect(reply.status).toBe(206);
      expect(reply.headers).toMatchObject({
        ...storedHeaders,
        'content-range': `bytes ${start}-${end}/1000`,
        'content-length': String(end - start + 1),
      });
      expect(reply.body.equals(BYTES.subarray(start, end + 1))).toBe(true);
      expect(artifact.source.calls).toEqual(['statStored revalidate', 'openStored']);
    });

    test.each(['bytes=1000-', 'bytes=-0', 'bytes=99999999999999999999-'])(
      'Range: %s is answered with 416',
      async (range) => {
        const reply = await get({ range });
        expect(reply.status).toBe(416);
        expect(reply.headers['content-range']).toBe('bytes */1000');
        expect(JSON.parse(reply.body.toString()).code).toBe('RANGE_NOT_SATISFIABLE');
      },
    );

    test.each<[Record<string, string>, number]>([
      [{ range: 'bytes=0-1,4-5' }, 200],
      [{ range: 'bytes=5-1' }, 200],
      [{ range: 'bytes=x' }, 200],
      [{ range: 'items=0-1' }, 200],
      [{ 'if-match': '"v1"' }, 200],
      [{ 'if-match': '*' }, 200],
      [{ 'if-match': '"v0", "v1"' }, 200],
      [{ 'if-match': '"v0"' }, 412],
      [{ 'if-match': 'W/"v1"' }, 412],
      [{ 'if-none-match': '"v0"' }, 200],
      [{ 'if-none-match': '"v1"' }, 304],
      [{ 'if-none-match': 'W/"v1"' }, 304],
      [{ 'if-none-match': '"v0", "v1"' }, 304],
      [{ 'if-none-match': '*' }, 304],
      [{ 'if-modified-since': LAST_MODIFIED }, 304],
      [{ 'if-modified-since': EARLIER }, 200],
      [{ 'if-unmodified-since': LAST_MODIFIED }, 200],
      [{ 'if-unmodified-since': EARLIER }, 412],
      [{ 'if-match': '"v1"', range: 'bytes=0-1' }, 206],
      [{ 'if-match': '"v0"', range: 'bytes=0-1' }, 412],
      [{ 'if-match': '"v0"', range: 'bytes=1000-' }, 412],
      [{ 'if-none-match': '"v1"', range: 'bytes=1000-' }, 304],
      [{ 'if-none-match': '"v0"', range: 'bytes=1000-' }, 416],
      [{ 'if-range': '"v1"', range: 'bytes=0-1' }, 206],
      [{ 'if-range': '"v0"', range: 'bytes=0-1' }, 200],
      [{ 'if-range': 'W/"v1"', range: 'bytes=0-1' }, 200],
      [{ 'if-range': LAST_MODIFIED, range: 'bytes=0-1' }, 206],
      [{ 'if-range': LATER, range: 'bytes=0-1' }, 200],
      [{ 'if-range': '"v0"', range: 'bytes=1000-' }, 200],
      [{ 'if-range': '"v0"' }, 200],
    ])('%j is answered with %i', async (headers, status) => {
      const reply = await get(headers);
      expect(reply.status).toBe(status);
      if (status === 200) expect(reply.body.equals(BYTES)).toBe(true);
      if (status === 206) expect(reply.body.equals(BYTES.subarray(0, 2))).toBe(true);
      if (status === 304) {
        expect(reply.body).toHaveLength(0);
        expect(reply.headers).toMatchObject({
          etag: '"v1"',
          'last-modified': LAST_MODIFIED,
          'cache-control': 'no-cache',
        });
        expect(reply.headers['content-length']).toBeUndefined();
      }
      if (status === 412)
        expect(JSON.parse(reply.body.toString()).code).toBe('PRECONDITION_FAILED');
      if (headers.range !== undefined) expect(artifact.source.calls).not.toContain('get');
      for (const body of artifact.source.bodies) expect(body.destroyed).toBe(true);
    });

    test.each<[Record<string, string>, number]>([
      [{ 'if-none-match': '"v1"' }, 304],
      [{ 'if-match': '"v0"' }, 412],
      [{ range: 'bytes=0-1' }, 200],
      [{ range: 'bytes=1000-' }, 200],
    ])('the method HEAD and %j is answered with %i', async (headers, status) => {
      const reply = await get(headers, path, { method: 'HEAD' });
      expect([reply.status, reply.body.length]).toEqual([status, 0]);
      expect(reply.headers['content-range']).toBeUndefined();
      const pinned = headers['if-match'] === undefined ? [] : ['statStored etags'];
      expect(artifact.source.calls).toEqual([...pinned, 'statStored']);
    });

    test.each<[Record<string, string>, number]>([
      [{ 'if-match': '"v1"', range: 'bytes=0-1' }, 206],
      [{ 'if-match': '"v0", "v1"' }, 200],
      [{ 'if-range': '"v1"', range: 'bytes=0-1' }, 206],
    ])(
      '%j is answered from the store, even if the upstream has a newer commit',
      async (headers, status) => {
        artifact.source.maySend = () => false;
        expect((await get(headers)).status).toBe(status);
        expect(artifact.source.calls).toEqual(['statStored etags', 'openStored']);
      },
    );

    test('the ranges of a parallel download gets parts of one revision', async () => {
      const first = await get({ range: 'bytes=0-255' });
      const etag = first.headers.etag ?? '';
      const rest = await Promise.all(
        [256, 512, 768].map((start) =>
          get({ range: `bytes=${start}-${start + 255}`, 'if-match': etag }),
        ),
      );
      expect(rest.map(({ status }) => status)).toEqual([206, 206, 206]);
      expect(new Set(rest.map(({ headers }) => headers.etag))).toEqual(new Set([etag]));
      const whole = Buffer.concat([first, ...rest].map(({ body }) => body));
      expect(whole.equals(BYTES)).toBe(true);
    });
  });

  describe('when it is not stored, a request with', () => {
    let built: () => number;

    beforeEach(() => {
      built = artifact.build();
    });

    test.each(['*', '"built"', 'W/"x"', ''])('If-Match: %s is answered with 412', async (value) => {
      const reply = await get({ 'if-match': value, range: 'bytes=0-1' }, missing);
      expect(reply.status).toBe(412);
      expect(built()).toBe(0);
      expect(artifact.source.calls.at(-1)).toBe('statStored revalidate');
      expect(artifact.source.calls.slice(0, -1)).toEqual(
        value.startsWith('"') ? ['statStored etags'] : [],
      );
    });

    test.each<[Record<string, string>, number]>([
      [{ 'if-none-match': '"built"' }, 304],
      [{ 'if-none-match': '*' }, 304],
      [{ 'if-none-match': '"other"' }, 200],
      [{ 'if-modified-since': LATER }, 200],
      [{ 'if-unmodified-since': EARLIER }, 200],
      [{ 'if-range': '"built"', range: 'bytes=0-1' }, 200],
      [{ range: 'bytes=5000-' }, 200],
    ])('%j is answered with %i when it has been built', async (headers, status) => {
      const reply = await get(headers, missing);
      expect(reply.status).toBe(status);
      expect(reply.headers.etag).toBe('"built"');
      expect(reply.body.length).toBe(status === 200 ? 1000 : 0);
      expect(built()).toBe(1);
      expect(artifact.source.bodies.map((body) => body.destroyed)).toEqual([true]);
    });
  });
});
