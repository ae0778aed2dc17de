import { cleanup } from '../support/temporary-directory.js';
import {
  ADVERTISEMENT,
  clientOf,
  everythingIn,
  getRefs,
  postWants,
  RESULT,
  rejection,
  SECRET,
  serve,
} from './http-fixture.js';

const resources = cleanup(afterEach);

describe('An answer with status', () => {
  const TABLE: [status: number, code: string, anonymousCode?: string][] = [
    [201, 'UPSTREAM_INVALID'],
    [203, 'UPSTREAM_INVALID'],
    [204, 'UPSTREAM_INVALID'],
    [206, 'UPSTREAM_INVALID'],
    [304, 'UPSTREAM_INVALID'],
    [400, 'UPSTREAM_INVALID'],
    [401, 'UPSTREAM_DENIED', 'UPSTREAM_NOT_FOUND'],
    [403, 'UPSTREAM_DENIED'],
    [404, 'UPSTREAM_NOT_FOUND'],
    [410, 'UPSTREAM_NOT_FOUND'],
    [429, 'UPSTREAM_RATE_LIMITED'],
    [451, 'UPSTREAM_INVALID'],
    [500, 'UPSTREAM_UNREACHABLE'],
    [503, 'UPSTREAM_UNREACHABLE'],
  ];

  test.each(TABLE)('%i fails with %s', async (status, code, anonymousCode = code) => {
    const upstream = await serve(resources, (_req, res) => {
      res.writeHead(status, 'Phrase hidden', { 'content-type': 'text/html' }).end('body hidden');
    });
    const authorized = clientOf(resources, upstream.url, { authorization: SECRET });
    const anonymous = clientOf(resources, upstream.url);

    for (const ask of [getRefs, postWants]) {
      const error = await rejection(ask(authorized, upstream.url));
      expect(error).toMatchObject({ code, message: `${upstream.url} answered ${status}` });
      expect(everythingIn(error)).not.toMatch(/hidden/);
      expect(everythingIn(error)).not.toContain(SECRET);
      expect(await rejection(ask(anonymous, upstream.url))).toMatchObject({ code: anonymousCode });
    }
  });

  test.each([
    [429, '120', 120],
    [403, '120', 120],
    [503, '0', 0],
    [503, '86400', 3600],
    [503, '9'.repeat(400), 3600],
    [503, 'Wed, 21 Oct 2015 07:28:00 GMT', 0],
    [503, 'Fri, 31 Dec 9999 23:59:59 GMT', 3600],
    [503, 'soon', undefined],
    [503, '', undefined],
    [404, '120', undefined],
  ])('%i has its Retry-After read: %s', async (status, value, retryAfter) => {
    const upstream = await serve(resources, (_req, res) => {
      res.writeHead(status, { 'retry-after': value }).end();
    });

    const error = await rejection(getRefs(clientOf(resources, upstream.url), upstream.url));

    expect(error).toHaveProperty('retryAfter', retryAfter);
  });
});

test('A 403 with Retry-After is a limit, and no refusal', async () => {
  const upstream = await serve(resources, (_req, res) => {
    res.writeHead(403, { 'retry-after': '120' }).end();
  });
  const error = await rejection(getRefs(clientOf(resources, upstream.url), upstream.url));
  expect(error).toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', retryAfter: 120 });
});

describe('The content type', () => {
  test.each([undefined, 'text/html', 'text/plain', RESULT['content-type']])(
    'of refs may not be %s',
    async (type) => {
      const upstream = await serve(resources, (_req, res) => {
        res.writeHead(200, type === undefined ? {} : { 'content-type': type }).end('<html>');
      });

      const error = await rejection(getRefs(clientOf(resources, upstream.url), upstream.url));

      expect(error).toMatchObject({ code: 'UPSTREAM_INVALID' });
    },
  );

  test('of a pack may not be that of refs', async () => {
    const upstream = await serve(resources, (_req, res) => res.writeHead(200, ADVERTISEMENT).end());

    const error = await rejection(postWants(clientOf(resources, upstream.url), upstream.url));

    expect(error).toMatchObject({ code: 'UPSTREAM_INVALID' });
  });

  test('may not be given twice', async () => {
    const upstream = await serve(resources, (_req, res) => {
      const type = ADVERTISEMENT['content-type'];
      res.writeHead(200, { 'content-type': [type, type] }).end('refs');
    });

    const error = await rejection(getRefs(clientOf(resources, upstream.url), upstream.url));

    expect(error).toMatchObject({ code: 'UPSTREAM_INVALID' });
  });

  test('may have parameters', async () => {
    const upstream = await serve(resources, (_req, res) => {
      const type = 'Application/X-Git-Upload-Pack-Advertisement; charset=utf-8';
      res.writeHead(200, { 'content-type': type }).end('refs');
    });

    const { headers } = await getRefs(clientOf(resources, upstream.url), upstream.url);

    expect(headers).toEqual(ADVERTISEMENT);
  });
});
