import { type IncomingHttpHeaders, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { FileSystemStore, MemoryStore } from '../../lib/index.js';
import type { SnapshotStore } from '../../lib/stores/index.js';
import { type FreshRepository, freshRepository } from '../support/fresh-repository.js';
import type { HostApp } from '../support/host-app.js';
import { git } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterAll);

const STORES: [name: string, make: () => Promise<SnapshotStore>][] = [
  ['MemoryStore', async () => new MemoryStore({ maxBytes: 1e8 })],
  [
    'FileSystemStore',
    async () => new FileSystemStore({ directory: await directory(), maxBytes: 1e8 }),
  ],
];

/** A stored artifact. Dates are HTTP-dates. */
interface Stored {
  readonly bytes: Buffer;
  readonly size: number;
  readonly etag: string;
  readonly modified: string;
  readonly before: string;
  readonly after: string;
}

type Row = [
  name: string,
  headers: (stored: Stored) => Record<string, string>,
  status: 200 | 206 | 304 | 412 | 416,
  /** First and last byte of a 206. */
  part?: (size: number) => [number, number],
];

const OUTSIDE = { range: 'bytes=999999999-' };
const FIRST = { range: 'bytes=0-9' };
const first = (): [number, number] => [0, 9];

/** As RFC 9110 says: preconditions are evaluated before `Range`. */
const TABLE: Row[] = [
  ['nothing', () => ({}), 200],

  ['If-Match with the tag', ({ etag }) => ({ 'if-match': etag }), 200],
  ['If-Match: *', () => ({ 'if-match': '*' }), 200],
  ['If-Match with the tag in a list', ({ etag }) => ({ 'if-match': `"x", ,${etag}` }), 200],
  ['If-Match with another tag', () => ({ 'if-match': '"x"' }), 412],
  ['If-Match with other tags', () => ({ 'if-match': '"x", "y"' }), 412],
  ['If-Match with a weak tag', ({ etag }) => ({ 'if-match': `W/${etag}` }), 412],
  ['If-Match that is malformed', ({ etag }) => ({ 'if-match': etag.slice(1, -1) }), 412],
  ['If-Match and a range', ({ etag }) => ({ 'if-match': etag, ...FIRST }), 206, first],
  ['If-Match: * and a range', () => ({ 'if-match': '*', ...FIRST }), 206, first],
  ['412 before 206', () => ({ 'if-match': '"x"', ...FIRST }), 412],
  ['412 before 416', () => ({ 'if-match': '"x"', ...OUTSIDE }), 412],
  ['416 when it matches', ({ etag }) => ({ 'if-match': etag, ...OUTSIDE }), 416],
  ['412 before 304', ({ etag }) => ({ 'if-match': '"x"', 'if-none-match': etag }), 412],

  ['If-Unmodified-Since', ({ modified }) => ({ 'if-unmodified-since': modified }), 200],
  ['If-Unmodified-Since before', ({ before }) => ({ 'if-unmodified-since': before }), 412],
  [
    'If-Unmodified-Since, outside',
    ({ before }) => ({ 'if-unmodified-since': before, ...OUTSIDE }),
    412,
  ],
  ['If-Match decides', (s) => ({ 'if-match': s.etag, 'if-unmodified-since': s.before }), 200],

  ['If-None-Match with the tag', ({ etag }) => ({ 'if-none-match': etag }), 304],
  ['If-None-Match with a weak tag', ({ etag }) => ({ 'if-none-match': `W/${etag}` }), 304],
  ['If-None-Match: *', () => ({ 'if-none-match': '*' }), 304],
  ['If-None-Match with a list', ({ etag }) => ({ 'if-none-match': `"x", ${etag}` }), 304],
  ['If-None-Match with another tag', () => ({ 'if-none-match': '"x"' }), 200],
  ['304 before 206', ({ etag }) => ({ 'if-none-match': etag, ...FIRST }), 304],
  ['304 before 416', ({ etag }) => ({ 'if-none-match': etag, ...OUTSIDE }), 304],
  ['another tag and a range', () => ({ 'if-none-match': '"x"', ...FIRST }), 206, first],
  ['another tag, outside', () => ({ 'if-none-match': '"x"', ...OUTSIDE }), 416],

  ['If-Modified-Since', ({ modified }) => ({ 'if-modified-since': modified }), 304],
  ['If-Modified-Since after', ({ after }) => ({ 'if-modified-since': after }), 304],
  ['If-Modified-Since before', ({ before }) => ({ 'if-modified-since': before }), 200],
  [
    'If-Modified-Since, outside',
    ({ modified }) => ({ 'if-modified-since': modified, ...OUTSIDE }),
    304,
  ],
  ['If-None-Match decides', (s) => ({ 'if-none-match': '"x"', 'if-modified-since': s.after }), 200],

  ['a range', () => FIRST, 206, first],
  ['one byte', () => ({ range: 'bytes=5-5' }), 206, () => [5, 5]],
  [
    'the last byte',
    ({ size }) => ({ range: `bytes=${size - 1}-${size - 1}` }),
    206,
    (n) => [n - 1, n - 1],
  ],
  ['all of it', ({ size }) => ({ range: `bytes=0-${size - 1}` }), 206, (n) => [0, n - 1]],
  ['a range that ends outside', () => ({ range: 'bytes=3-16777215' }), 206, (n) => [3, n - 1]],
  ['an open-ended range', () => ({ range: 'bytes=7-' }), 206, (n) => [7, n - 1]],
  ['a suffix', () => ({ range: 'bytes=-4' }), 206, (n) => [n - 4, n - 1]],
  ['a suffix of more than all', () => ({ range: 'bytes=-999999999' }), 206, (n) => [0, n - 1]],
  ['a range outside', () => OUTSIDE, 416],
  ['a range right behind', ({ size }) => ({ range: `bytes=${size}-` }), 416],
  ['a suffix of nothing', () => ({ range: 'bytes=-0' }), 416],
  ['several ranges', () => ({ range: 'bytes=0-1,4-5' }), 200],
  ['several ranges, outside', () => ({ range: 'bytes=999999999-,0-1' }), 200],
  ['a range the wrong way round', () => ({ range: 'bytes=9-0' }), 200],
  ['a malformed range', () => ({ range: 'bytes=a-b' }), 200],
  ['a range of another unit', () => ({ range: 'lines=0-9' }), 200],

  ['If-Range with the tag', ({ etag }) => ({ 'if-range': etag, ...FIRST }), 206, first],
  ['If-Range with the date', ({ modified }) => ({ 'if-range': modified, ...FIRST }), 206, first],
  ['If-Range with another tag', () => ({ 'if-range': '"x"', ...FIRST }), 200],
  ['If-Range with a weak tag', ({ etag }) => ({ 'if-range': `W/${etag}`, ...FIRST }), 200],
  ['If-Range with an earlier date', ({ before }) => ({ 'if-range': before, ...FIRST }), 200],
  ['If-Range with a later date', ({ after }) => ({ 'if-range': after, ...FIRST }), 200],
  ['If-Range: *', () => ({ 'if-range': '*', ...FIRST }), 200],
  ['If-Range before 416', () => ({ 'if-range': '"x"', ...OUTSIDE }), 200],
  ['If-Range, outside', ({ etag }) => ({ 'if-range': etag, ...OUTSIDE }), 416],
  ['If-Range without a range', () => ({ 'if-range': '"x"' }), 200],
  [
    '412 whatever If-Range says',
    ({ etag }) => ({ 'if-match': '"x"', 'if-range': etag, ...FIRST }),
    412,
  ],
  ['206 by both', ({ etag }) => ({ 'if-match': etag, 'if-range': etag, ...FIRST }), 206, first],
];

let repository: FreshRepository;

beforeAll(async () => {
  repository = await freshRepository({ directory, defer });
});

describe.each(STORES)('With a %s,', (_storeName, makeStore) => {
  let app: HostApp;

  beforeAll(async () => {
    app = await repository.startApp({ dataDir: await directory(), store: await makeStore() });
  });

  describe.each(['snapshot.tar.zst', 'snapshot.bundle'])('a request for %s', (artifact) => {
    let url: string;
    let stored: Stored;
    let own: IncomingHttpHeaders;

    beforeAll(async () => {
      const base = await git(repository.bare, 'rev-parse', 'main~1');
      url = app.snapshotUrl(repository.path).replace('snapshot.tar.zst', artifact);
      own = {
        'content-type': 'application/zstd',
        'x-cachew-snapshot-commit': await repository.head(),
      };
      if (artifact === 'snapshot.bundle') {
        url += `?base=${base}`;
        own = { 'content-type': 'application/x-git-bundle' };
      }
      const { status, headers, body } = await ask(url, FIRST);
      expect([status, headers['content-length'], headers['accept-ranges']]).toEqual([
        200,
        undefined,
        undefined,
      ]);
      expect(headers).toMatchObject(own);
      const again = await ask(url);
      expect([again.body.equals(body), again.headers.etag]).toEqual([true, headers.etag]);
      const modified = again.headers['last-modified'] ?? '';
      const at = (seconds: number) => new Date(Date.parse(modified) + seconds * 1000).toUTCString();
      const { etag = '' } = headers;
      stored = { bytes: body, size: body.length, etag, modified, before: at(-1), after: at(1) };
    });

    test.each(TABLE)(
      'is answered as RFC 9110 says: %s',
      async (_name, conditions, status, part = () => [0, stored.size - 1]) => {
        const { size, etag, modified, bytes } = stored;
        const headers = conditions(stored);
        const reply = await ask(url, headers);
        expect(reply.status).toBe(status);
        const [start, end] = part(size);
        if (status === 200 || status === 206) {
          expect(reply.headers).toMatchObject({
            ...own,
            etag,
            'last-modified': modified,
            'accept-ranges': 'bytes',
            'content-length': String(end - start + 1),
          });
          expect(reply.body.equals(bytes.subarray(start, end + 1))).toBe(true);
        } else {
          expect(reply.headers['x-cachew-snapshot-commit']).toBeUndefined();
        }
        const contentRange = { 206: `bytes ${start}-${end}/${size}`, 416: `bytes */${size}` };
        expect(reply.headers['content-range']).toBe(
          new Map(Object.entries(contentRange)).get(String(status)),
        );
        if (status === 304) expect([reply.headers.etag, reply.body.length]).toEqual([etag, 0]);
        if (status === 412)
          expect(JSON.parse(reply.body.toString()).code).toBe('PRECONDITION_FAILED');

        // HEAD ignores ranges (RFC 9110, section 14.2), and has the same preconditions.
        const head = await ask(url, headers, 'HEAD');
        expect(head.status).toBe(status === 206 || status === 416 ? 200 : status);
        expect(head.body.length).toBe(0);
        if (head.status === 200) expect(head.headers['content-length']).toBe(String(size));
      },
    );

    test('that is not stored is answered with 412 to If-Match and 404 to HEAD, without a check', async () => {
      const elsewhere = url.replace(repository.path, 'org/other');
      expect((await ask(elsewhere, { 'if-match': '*' })).status).toBe(412);
      expect((await ask(elsewhere, { 'if-match': stored.etag, ...FIRST })).status).toBe(412);
      expect((await ask(elsewhere, {}, 'HEAD')).status).toBe(404);
      expect(repository.upstream.infoRefs('org/other')).toBe(0);
    });
  });
});

interface Reply {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** `fetch` would add headers of its own. */
function ask(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      buffer(response).then(
        (body) => resolve({ status: response.statusCode, headers: response.headers, body }),
        reject,
      );
    });
    sent.once('error', reject).end();
  });
}
