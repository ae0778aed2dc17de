import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { cleanup } from '../support/temporary-directory.js';
import {
  ADVERTISEMENT,
  clientOf,
  everythingIn,
  getRefs,
  listen,
  onlySocket,
  postWants,
  RESULT,
  readAll,
  rejection,
  serve,
  serveUnfinished,
} from './http-fixture.js';

const resources = cleanup(afterEach);

describe('A content coding', () => {
  const serveCoded = (coding: string, body: Buffer) =>
    serve(resources, (_req, res) => {
      res.writeHead(200, { ...ADVERTISEMENT, 'content-encoding': coding }).end(body);
    });

  test.each(['gzip', 'x-gzip', 'GZIP'])('of %s is decoded', async (coding) => {
    const { url } = await serveCoded(coding, gzipSync('refs'));

    expect(String(await readAll(await getRefs(clientOf(resources, url), url)))).toBe('refs');
  });

  test('of identity changes nothing', async () => {
    const { url } = await serveCoded('identity', Buffer.from('refs'));

    expect(String(await readAll(await getRefs(clientOf(resources, url), url)))).toBe('refs');
  });

  test('that git servers do not use is refused', async () => {
    for (const coding of ['br', 'gzip, gzip', '']) {
      const { url } = await serveCoded(coding, brotliCompressSync('refs'));
      const error = await rejection(getRefs(clientOf(resources, url), url));
      expect(error).toMatchObject({ code: 'UPSTREAM_INVALID' });
    }
  });

  test.each([
    ['corrupt', Buffer.from('no gzip')],
    ['truncated', gzipSync('refs').subarray(0, -4)],
  ])('is refused when %s', async (_, body) => {
    const { url } = await serveCoded('gzip', body);

    const error = await rejection(getRefs(clientOf(resources, url), url).then(readAll));

    expect(error).toMatchObject({ code: 'UPSTREAM_INVALID' });
  });

  test('does not hide a lost connection', async () => {
    const { url } = await serve(resources, (_req, res) => {
      res.writeHead(200, { ...ADVERTISEMENT, 'content-encoding': 'gzip', 'content-length': 1000 });
      res.write(gzipSync('refs'), () => res.destroy());
    });

    const error = await rejection(getRefs(clientOf(resources, url), url).then(readAll));

    expect(error).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' });
  });
});

describe('maxRefsBytes', () => {
  const maxRefsBytes = 100_000;

  test('allows as many bytes of refs, and any number of bytes of a pack', async () => {
    const upstream = await serve(resources, (req, res) => {
      const get = req.method === 'GET';
      res
        .writeHead(200, get ? ADVERTISEMENT : RESULT)
        .end(Buffer.alloc(get ? maxRefsBytes : 3 * maxRefsBytes));
    });
    const client = clientOf(resources, upstream.url, { maxRefsBytes });

    expect(await readAll(await getRefs(client, upstream.url))).toHaveLength(maxRefsBytes);
    expect(await readAll(await postWants(client, upstream.url))).toHaveLength(3 * maxRefsBytes);
  });

  test.each([
    ['plain', {}, Buffer.alloc(maxRefsBytes + 1)],
    ['compressed', { 'content-encoding': 'gzip' }, gzipSync(Buffer.alloc(maxRefsBytes + 1))],
  ])('ends a longer answer that is %s', async (_, headers, body) => {
    const upstream = await serveUnfinished(resources, headers, body);
    const client = clientOf(resources, upstream.url, { maxRefsBytes });
    const refs = await getRefs(client, upstream.url);
    const closed = once(onlySocket(upstream), 'close');

    const error = await rejection(readAll(refs));

    expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await closed;
  });
});

describe('A body', () => {
  /** Answers every request with these bytes and then closes the connection. */
  async function serveRaw(...answer: (string | Buffer)[]): Promise<string> {
    const bytes = Buffer.concat(answer.map((part) => Buffer.from(part)));
    const server = createTcpServer((socket) => {
      socket.once('data', () => socket.end(bytes));
    });
    const { port } = await listen(server, resources);
    return `http://127.0.0.1:${port}/org/repo`;
  }
  const HEAD = `HTTP/1.1 200 OK\r\nContent-Type: ${ADVERTISEMENT['content-type']}\r\n`;

  test.each([
    ['is short of its Content-Length', `${HEAD}Content-Length: 9\r\n\r\nrefs`],
    ['ends between two chunks', `${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\nrefs\r\n`],
    ['ends within a chunk', `${HEAD}Transfer-Encoding: chunked\r\n\r\n9\r\nrefs`],
    ['ends before its last line', `${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\nrefs\r\n0\r\n`],
  ])('that %s ends with an error', async (_, answer) => {
    const url = await serveRaw(answer);
    const { body } = await getRefs(clientOf(resources, url), url);

    expect(Buffer.from((await body?.next())?.value).toString()).toBe('refs');
    expect(await rejection(Promise.resolve(body?.next()))).toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
    });
  });

  test('that ends with the connection is complete, however slowly it is read', async () => {
    const size = 32 * 1024 * 1024;
    const url = await serveRaw(`${HEAD}Connection: close\r\n\r\n`, Buffer.alloc(size, 'refs'));
    const { body } = await getRefs(clientOf(resources, url, { maxRefsBytes: size }), url);

    let received = 0;
    for await (const chunk of body ?? []) {
      received += chunk.length;
      // Each turn of the event loop may bring bytes that nobody has asked for yet, or the end.
      for (let turns = 0; turns < 3; turns++) await nextTurn();
    }

    expect(received).toBe(size);
  });

  test('that ends with a reset of the connection ends with an error', async () => {
    const server = createTcpServer((socket) => {
      socket.once('data', () => socket.write(`${HEAD}Connection: close\r\n\r\nrefs`));
    });
    const { port, sockets } = await listen(server, resources);
    const url = `http://127.0.0.1:${port}/org/repo`;
    const { body } = await getRefs(clientOf(resources, url), url);

    expect(Buffer.from((await body?.next())?.value).toString()).toBe('refs');
    for (const socket of sockets) socket.resetAndDestroy();
    expect(await rejection(Promise.resolve(body?.next()))).toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
    });
  });

  test.each([
    ['', 'UPSTREAM_UNREACHABLE'],
    ['HTTP/1.1 200 OK\r\nContent-T', 'UPSTREAM_UNREACHABLE'],
    ['SSH-2.0-hidden\r\n', 'UPSTREAM_INVALID'],
    [`${HEAD}Transfer-Encoding: chunked\r\n\r\nhidden\r\n`, 'UPSTREAM_INVALID'],
  ])('is not waited for after the bytes %j', async (answer, code) => {
    const url = await serveRaw(answer);

    const error = await rejection(getRefs(clientOf(resources, url), url).then(readAll));

    expect(error).toMatchObject({ code });
    expect(everythingIn(error)).not.toMatch(/hidden/);
  });

  test.each(['before its first bytes', 'between bytes', 'while bytes are waited for'])(
    'that its reader leaves %s closes the connection',
    async (moment) => {
      const upstream = await serveUnfinished(resources);
      const { body } = await getRefs(clientOf(resources, upstream.url), upstream.url);
      if (!body?.return) throw new Error('the body cannot be given up');
      const closed = once(onlySocket(upstream), 'close');

      if (moment !== 'before its first bytes') await body.next();
      const pending = moment.startsWith('while') ? rejection(body.next()) : undefined;
      await body.return();

      await closed;
      if (pending) expect(await pending).toMatchObject({ code: 'ABORTED' });
      expect(await body.next()).toEqual({ done: true, value: undefined });
    },
  );

  test('that is not read does not hold up the next request', async () => {
    const upstream = await serveUnfinished(resources);
    const client = clientOf(resources, upstream.url);
    const { body } = await getRefs(client, upstream.url);

    const answer = await postWants(client, upstream.url);

    expect(String((await answer.body?.next())?.value)).toBe('refs');
    expect(await rejection(Promise.resolve(body?.next()))).toMatchObject({ code: 'ABORTED' });
  });

  test('comes no faster than it is read', async () => {
    const size = 64 * 1024 * 1024;
    const sent = new Map<ServerResponse, number>();
    const upstream = await serve(resources, async (_req, res) => {
      res.writeHead(200, RESULT);
      const closed = once(res, 'close');
      for (let bytes = 0; bytes < size && !res.destroyed; bytes += 65_536) {
        if (!res.write(Buffer.alloc(65_536))) await Promise.race([once(res, 'drain'), closed]);
        sent.set(res, bytes + 65_536);
      }
      res.end();
    });
    const client = clientOf(resources, upstream.url);
    const slow = await postWants(client, upstream.url);
    await slow.body?.next();

    // Another client's whole download is time enough for this one to have run ahead.
    let received = 0;
    const other = clientOf(resources, upstream.url);
    for await (const chunk of (await postWants(other, upstream.url)).body ?? []) {
      received += chunk.length;
    }

    expect(received).toBe(size);
    const [slowlySent = 0] = sent.values();
    expect(slowlySent).toBeGreaterThan(0);
    expect(slowlySent).toBeLessThan(size / 4);
  });
});
