import { MAX_REDIRECTS } from '../../lib/read-http-answer.js';
import { redirectedBase } from '../../lib/upstream/http-redirect.js';
import { cleanup } from '../support/temporary-directory.js';
import {
  ADVERTISEMENT,
  clientOf,
  everythingIn,
  getRefs,
  type HttpUpstream,
  INFO_REFS,
  postWants,
  RESULT,
  readAll,
  rejection,
  SECRET,
  serve,
  UPLOAD_PACK,
} from './http-fixture.js';

const resources = cleanup(afterEach);

/** An upstream that answers `/org/moved` as a git server, and redirects other paths by a table. */
function serveRedirects(redirects: Record<string, { status?: number; location?: string }>) {
  return serve(resources, (req, res) => {
    const redirect = redirects[req.url ?? ''];
    if (redirect) {
      const headers = redirect.location === undefined ? {} : { location: redirect.location };
      res.writeHead(redirect.status ?? 301, headers).end('moved');
    } else if (req.url === `/org/moved${INFO_REFS}`) {
      res.writeHead(200, ADVERTISEMENT).end('refs');
    } else if (req.url === `/org/moved${UPLOAD_PACK}`) {
      res.writeHead(200, RESULT).end('pack');
    } else {
      res.writeHead(404).end();
    }
  });
}

const seen = ({ requests }: HttpUpstream) => requests.map(({ method, url }) => `${method} ${url}`);
const authorizations = ({ requests }: HttpUpstream) =>
  requests.map(({ headers }) => headers.authorization);

describe('A redirect of the ref advertisement', () => {
  test.each([301, 302, 303, 307, 308])('of %i is followed, also for the pack', async (status) => {
    const upstream = await serveRedirects({
      [`/org/repo${INFO_REFS}`]: { status, location: `../../moved${INFO_REFS}` },
    });
    const client = clientOf(resources, upstream.url, { authorization: SECRET });

    const refs = await getRefs(client, upstream.url);
    expect(refs.url).toBe(`${upstream.origin}/org/moved${INFO_REFS}`);
    expect(String(await readAll(refs))).toBe('refs');
    expect(String(await readAll(await postWants(client, upstream.url)))).toBe('pack');

    expect(seen(upstream)).toEqual([
      `GET /org/repo${INFO_REFS}`,
      `GET /org/moved${INFO_REFS}`,
      `POST /org/moved${UPLOAD_PACK}`,
    ]);
    expect(authorizations(upstream)).toEqual([SECRET, SECRET, SECRET]);
  });

  test('to another host gets no credentials', async () => {
    const elsewhere = await serveRedirects({});
    const upstream = await serveRedirects({
      [`/org/repo${INFO_REFS}`]: { location: `${elsewhere.origin}/org/moved${INFO_REFS}` },
    });
    const client = clientOf(resources, upstream.url, {
      authorization: SECRET,
      trusted: [upstream.host, elsewhere.host],
    });

    await readAll(await getRefs(client, upstream.url));
    await readAll(await postWants(client, upstream.url));

    expect(authorizations(upstream)).toEqual([SECRET]);
    expect(seen(elsewhere)).toEqual([
      `GET /org/moved${INFO_REFS}`,
      `POST /org/moved${UPLOAD_PACK}`,
    ]);
    expect(authorizations(elsewhere)).toEqual([undefined, undefined]);
  });

  test('that leads back to the first host gets no credentials', async () => {
    const elsewhere = await serve(resources, (_req, res) => {
      res.writeHead(302, { location: `${upstream.origin}/org/moved${INFO_REFS}` }).end();
    });
    const upstream: HttpUpstream = await serveRedirects({
      [`/org/repo${INFO_REFS}`]: { location: `${elsewhere.origin}/away${INFO_REFS}` },
    });
    const client = clientOf(resources, upstream.url, {
      authorization: SECRET,
      trusted: [upstream.host, elsewhere.host],
    });

    await readAll(await getRefs(client, upstream.url));

    expect(seen(upstream)).toEqual([`GET /org/repo${INFO_REFS}`, `GET /org/moved${INFO_REFS}`]);
    expect(authorizations(upstream)).toEqual([SECRET, undefined]);
  });

  test('does not make the client send the credentials in its URL', async () => {
    const upstream = await serve(resources, (req, res) => {
      if (req.url?.startsWith('/org/moved')) return res.writeHead(200, ADVERTISEMENT).end();
      const location = `http://user:hidden@${req.headers.host}/org/moved${INFO_REFS}#part`;
      return res.writeHead(302, { location }).end();
    });

    const { url } = await getRefs(clientOf(resources, upstream.url), upstream.url);

    expect(url).toBe(`${upstream.origin}/org/moved${INFO_REFS}`);
    expect(authorizations(upstream)).toEqual([undefined, undefined]);
  });

  test('is not followed to a host that is not allowed', async () => {
    const elsewhere = await serveRedirects({});
    const upstream = await serveRedirects({
      [`/org/repo${INFO_REFS}`]: { location: `${elsewhere.origin}/org/moved${INFO_REFS}` },
    });

    const redirectBases = [`${elsewhere.origin}/`];
    const client = clientOf(resources, upstream.url, { redirectBases });
    const error = await rejection(getRefs(client, upstream.url));

    expect(error).toMatchObject({
      code: 'UPSTREAM_ADDRESS_FORBIDDEN',
      message: `${elsewhere.host} is not an allowed host`,
    });
    expect(elsewhere.sockets).toHaveLength(0);
  });

  test.each(['http://169.254.169.254', 'http://[fd00:ec2::254]', 'http://localhost'])(
    'is not followed to %s, even if the host is allowed, unless it may have private addresses',
    async (origin) => {
      const upstream = await serveRedirects({
        [`/org/repo${INFO_REFS}`]: { location: `${origin}/latest/meta-data${INFO_REFS}` },
      });
      const client = clientOf(resources, upstream.url, {
        trusted: [upstream.host],
        untrusted: [new URL(origin).host],
      });

      expect(await rejection(getRefs(client, upstream.url))).toMatchObject({
        code: 'UPSTREAM_ADDRESS_FORBIDDEN',
        message: expect.stringMatching(/has no public address/),
      });
    },
  );

  test(`is followed ${MAX_REDIRECTS} times`, async () => {
    const hops = Object.fromEntries(
      Array.from({ length: MAX_REDIRECTS }, (_, i) => {
        const to = i === MAX_REDIRECTS - 1 ? '/org/moved' : `/hop-${i + 1}`;
        return [`${i === 0 ? '/org/repo' : `/hop-${i}`}${INFO_REFS}`, { location: to + INFO_REFS }];
      }),
    );
    const upstream = await serveRedirects(hops);

    await readAll(await getRefs(clientOf(resources, upstream.url), upstream.url));

    expect(upstream.requests).toHaveLength(MAX_REDIRECTS + 1);
  });

  test('is refused when it forms a loop', async () => {
    const upstream = await serveRedirects({
      [`/org/repo${INFO_REFS}`]: { location: `/other${INFO_REFS}` },
      [`/other${INFO_REFS}`]: { location: `/org/repo${INFO_REFS}` },
    });

    const error = await rejection(getRefs(clientOf(resources, upstream.url), upstream.url));

    expect(error).toMatchObject({ code: 'UPSTREAM_INVALID' });
    expect(upstream.requests).toHaveLength(MAX_REDIRECTS + 1);
  });

  test.each([
    ['no target', undefined],
    ['a malformed target', 'http://[hidden'],
    ['another path', '/login?hidden'],
    ['another query', '/org/moved/info/refs?service=git-receive-pack'],
    ['no query', '/org/moved/info/refs'],
    ['the advertisement within the query', `/?hidden=${INFO_REFS}`],
    ['another scheme', `ftp://127.0.0.1/org/moved${INFO_REFS}`],
    ['a local file', 'file:///org/moved/info/refs?service=git-upload-pack'],
  ])('to %s is refused', async (_, location) => {
    const upstream = await serveRedirects({
      [`/org/repo${INFO_REFS}`]: location === undefined ? {} : { location },
    });
    const client = clientOf(resources, upstream.url, { authorization: SECRET });

    const error = await rejection(getRefs(client, upstream.url));

    expect(error).toMatchObject({ code: 'UPSTREAM_INVALID' });
    expect(everythingIn(error)).not.toContain('hidden');
    expect(everythingIn(error)).not.toContain(SECRET);
    expect(upstream.requests).toHaveLength(1);
  });

  test('leads from http to https, and never from https to http', () => {
    const http = new URL(`http://git.test/repo${INFO_REFS}`);
    const https = new URL(`https://git.test/repo${INFO_REFS}`);

    const bases = ['http://git.test/', 'https://git.test/'];

    expect(redirectedBase(http, https.href, bases)).toBe('https://git.test/repo');
    expect(redirectedBase(http, http.href, bases)).toBe('http://git.test/repo');
    expect(redirectedBase(https, https.href, bases)).toBe('https://git.test/repo');
    expect(() => redirectedBase(https, http.href, bases)).toThrow(/leaves https/);
  });

  test.each([
    ['another host of the allow-list', 'https://other.test/git/repo'],
    ['a path beside the base', 'https://git.test/other/repo'],
    ['a path that begins like the base', 'https://git.test/gitlab/repo'],
    ['a path that climbs out of the base', 'https://git.test/git/../other/repo'],
    ['a path that climbs out of the base in escapes', 'https://git.test/git/%2e%2e/other/repo'],
    ['a path that climbs out by an escaped slash', 'https://git.test/git/..%2fother/repo'],
    ['a path that climbs out by an escaped backslash', 'https://git.test/git/..%5Cother/repo'],
    ['another port', 'https://git.test:8443/git/repo'],
  ])('does not lead to %s', (_, target) => {
    const from = new URL(`https://git.test/git/repo${INFO_REFS}`);
    const follow = () => redirectedBase(from, target + INFO_REFS, ['https://git.test/git/']);
    expect(follow).toThrow(/options of its host/);
  });
});

test('A redirect of a pack request is refused', async () => {
  const upstream = await serveRedirects({
    [`/org/repo${UPLOAD_PACK}`]: { status: 307, location: `/org/moved${UPLOAD_PACK}` },
  });

  const error = await rejection(postWants(clientOf(resources, upstream.url), upstream.url));

  expect(error).toMatchObject({ code: 'UPSTREAM_INVALID' });
  expect(seen(upstream)).toEqual([`POST /org/repo${UPLOAD_PACK}`]);
});
