import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import type express5 from 'express';
import type { RequestHandler } from 'express';
import { holdDeadlines } from '../../support/deadlines.js';
import { cleanup } from '../../support/temporary-directory.js';
import { EXPRESS, type ExpressVersion, send } from '../test-server.js';
import {
  CLONE_URL,
  type Delivery,
  fromGitHub,
  fromGitLab,
  GITHUB_PUSH,
  GITLAB_PUSH,
  GITLAB_URL,
  hubSignature,
} from './deliveries.js';
import { SECRET, webhookServers } from './webhook-server.js';

const TOKEN = 'token';

const start = webhookServers({ secret: [SECRET, TOKEN] });
const { defer } = cleanup(afterEach);

describe('A delivery', () => {
  const system = (event_name?: unknown) =>
    fromGitLab(TOKEN, { ...GITLAB_PUSH, event_name }, 'System Hook');

  test.each<[string, Delivery, string[]]>([
    ['push', fromGitHub(SECRET, GITHUB_PUSH), [CLONE_URL]],
    ['create', fromGitHub(SECRET, GITHUB_PUSH, { event: 'create' }), [CLONE_URL]],
    ['delete', fromGitHub(SECRET, GITHUB_PUSH, { event: 'delete' }), [CLONE_URL]],
    ['ping', fromGitHub(SECRET, { zen: 'x', ...GITHUB_PUSH }, { event: 'ping' }), []],
    ['issues', fromGitHub(SECRET, GITHUB_PUSH, { event: 'issues' }), []],
    ['constructor', fromGitHub(SECRET, GITHUB_PUSH, { event: 'constructor' }), []],
    ['push in a form', fromGitHub(SECRET, GITHUB_PUSH, { form: true }), [CLONE_URL]],
    ['Push Hook', fromGitLab(TOKEN), [GITLAB_URL]],
    ['Tag Push Hook', fromGitLab(TOKEN, GITLAB_PUSH, 'Tag Push Hook'), [GITLAB_URL]],
    ['Issue Hook', fromGitLab(TOKEN, GITLAB_PUSH, 'Issue Hook'), []],
    ['system push', system('push'), [GITLAB_URL]],
    ['system tag_push', system('tag_push'), [GITLAB_URL]],
    ['system repository_update', system('repository_update'), [GITLAB_URL]],
    ['system project_create', system('project_create'), []],
    ['system event of no name', system(), []],
    ['system event of another type', system(['push']), []],
  ])(
    'is answered with 202, and announces a push if it is one: %s',
    async (_what, delivery, urls) => {
      const { deliver, pushed } = await start();
      expect((await deliver(delivery)).status).toBe(202);
      expect(pushed).toEqual(urls);
    },
  );
});

describe('A payload', () => {
  test.each<[string, unknown, string[]]>([
    ['html_url without clone_url', { repository: { html_url: 'https://x/y' } }, ['https://x/y']],
    ['project.http_url', { project: { http_url: 'https://x/y' } }, ['https://x/y']],
    ['repository.git_http_url', { repository: { git_http_url: 'https://x/y' } }, ['https://x/y']],
    ['null', null, []],
    ['a number', 5, []],
    ['an array', [GITHUB_PUSH], []],
    ['nothing', {}, []],
    ['a repository that is a string', { repository: 'x' }, []],
    ['a repository that is null', { repository: null, project: [] }, []],
    ['URLs that are no strings', { repository: { clone_url: { toString: 1 }, html_url: 7 } }, []],
    ['a URL that is an array', { repository: { clone_url: [CLONE_URL] } }, []],
    ['a URL that is too long', { repository: { clone_url: `https://${'a'.repeat(5_000)}` } }, []],
    [
      'a part that is as it should be',
      { project: 5, repository: { clone_url: CLONE_URL } },
      [CLONE_URL],
    ],
    ['a prototype', JSON.parse(`{"__proto__":{"repository":{"clone_url":"${CLONE_URL}"}}}`), []],
  ])(
    'is answered with 202, and announces a push if it has a URL: %s',
    async (_what, payload, urls) => {
      const { deliver, pushed, log } = await start();
      expect((await deliver(fromGitHub(SECRET, payload))).status).toBe(202);
      expect([pushed, log]).toEqual([urls, []]);
    },
  );

  test('with several URLs announces each until one names a known repository', async () => {
    const payload = {
      project: { git_http_url: 'https://a/r', http_url: 'https://b/r' },
      repository: { git_http_url: 'https://a/r', html_url: 'https://c/r' },
    };
    const none = await start({ isKnown: () => false });
    expect((await none.deliver(fromGitLab(TOKEN, payload))).status).toBe(202);
    expect(none.pushed).toEqual(['https://a/r', 'https://b/r', 'https://c/r']);
    await none.close();
    const second = await start({ isKnown: (url) => url === 'https://b/r' });
    await second.deliver(fromGitLab(TOKEN, payload));
    expect(second.pushed).toEqual(['https://a/r', 'https://b/r']);
  });

  test.each([
    ['', 'application/json'],
    ['{', 'application/json'],
    ['payload=%7B%7D', 'application/json'],
    ['{}', 'application/x-www-form-urlencoded'],
    ['payload=', 'application/x-www-form-urlencoded; charset=utf-8'],
  ])('without JSON is answered with 400: %j as %s', async (body, type) => {
    const { deliver, pushed } = await start();
    const signature = hubSignature(SECRET, body);
    const headers = { 'content-type': type, 'x-hub-signature-256': signature };
    const reply = await deliver({ body, headers });
    expect(reply.status).toBe(400);
    expect(JSON.parse(reply.body.toString())).toMatchObject({ code: 'INVALID_REQUEST' });
    expect(pushed).toEqual([]);
  });

  const LARGEST = 25 * 1024 * 1024;

  /** Announces as many bodies as there is room for, and sends none of them. */
  async function announceBodies(port: number): Promise<Socket[]> {
    return await Promise.all(
      Array.from({ length: 4 }, async () => {
        const socket = connect(port, '127.0.0.1');
        socket.write(
          `POST /hooks HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256=${'0'.repeat(64)}\r\n` +
            `Content-Length: ${LARGEST}\r\nExpect: 100-continue\r\n\r\n`,
        );
        await once(socket, 'data'); // the handler has the request by now
        return socket;
      }),
    );
  }

  test('that its sender does not finish does not fill the memory', async () => {
    const { port, deliver } = await start();
    const sockets = await announceBodies(port);
    expect((await deliver(fromGitHub(SECRET))).status).toBe(202);
    for (const socket of sockets) socket.destroy();
  });

  describe('bodies that senders do not finish', () => {
    /** Fills the room: sends bodies without their last byte until no more fit. */
    async function takeRoom() {
      const gone: Promise<void>[] = [];
      let received = 0;
      const watch: RequestHandler = (req, _res, next) => {
        gone.push(new Promise((resolve) => req.once('close', resolve)));
        next();
        req.on('data', (part) => {
          received += part.length;
        });
      };
      const server = await start({ before: () => [watch] });
      const sockets = await announceBodies(server.port);
      for (const socket of sockets) socket.write(Buffer.alloc(LARGEST - 1));
      while (received < sockets.length * (LARGEST - 1)) await new Promise(setImmediate);
      return { ...server, sockets, gone };
    }

    test('make room for another delivery', async () => {
      const { deliver, sockets } = await takeRoom();
      const answers = sockets.map((socket) => once(socket, 'data'));
      expect((await deliver(fromGitHub(SECRET))).status).toBe(202);
      for (const socket of sockets) socket.write(' ');
      const statuses = (await Promise.all(answers)).map(([answer]) => String(answer).slice(9, 12));
      for (const socket of sockets) socket.destroy();
      expect(statuses.sort()).toEqual(['401', '401', '401', '503']);
    });

    test('are dropped when their time is over', async () => {
      const pass = holdDeadlines(defer, 30_000);
      const { sockets } = await takeRoom();
      const answers = sockets.map((socket) => once(socket, 'data'));
      pass();
      for (const [answer] of await Promise.all(answers)) {
        expect(String(answer)).toMatch(/^HTTP\/1.1 503 /);
      }
      for (const socket of sockets) socket.destroy();
    });

    test('leave their room to others when the senders hang up', async () => {
      const { deliver, sockets, gone } = await takeRoom();
      for (const socket of sockets) socket.destroy();
      await Promise.all(gone);
      expect((await deliver(fromGitHub(SECRET))).status).toBe(202);
    });
  });

  test.each([
    'X-Hub-Signature-256: sha256=0',
    'X-Gitlab-Token: wrong',
    `Webhook-Id: 1\r\nWebhook-Timestamp: 1\r\nWebhook-Signature: v1,${'0'.repeat(43)}=`,
  ])('is not read after a wrong signature or token: %s', async (proof) => {
    const { port } = await start();
    const socket = connect(port, '127.0.0.1');
    socket.write(`POST /hooks HTTP/1.1\r\nHost: x\r\n${proof}\r\nContent-Length: 9\r\n\r\n`);
    const [answer] = await once(socket, 'data');
    socket.destroy();
    expect(String(answer)).toMatch(/^HTTP\/1.1 401 /);
  });

  test('for a service that fails is answered with 202, and the failure is logged', async () => {
    const { deliver, log } = await start({
      isKnown: () => {
        throw new Error('broken');
      },
    });
    expect((await deliver(fromGitHub(SECRET))).status).toBe(202);
    expect(log).toMatchObject([{ level: 'error', fields: { code: 'INTERNAL' } }]);
    expect((await deliver(fromGitHub(SECRET))).status).toBe(202);
  });
});

describe.each(Object.keys(EXPRESS) as ExpressVersion[])('With %s,', (version) => {
  const keepRawBody: RequestHandler = (req, _res, next) => {
    const parts: Buffer[] = [];
    req
      .on('data', (part) => parts.push(part))
      .on('end', () => {
        Object.assign(req, { rawBody: Buffer.concat(parts), body: { parsed: true } });
        next();
      });
  };

  const READERS: [string, (express: typeof express5) => RequestHandler[]][] = [
    ['express.raw()', (express) => [express.raw({ type: '*/*' })]],
    ['a parser of other types', (express) => [express.json({ type: 'application/other' })]],
    ['a reader that keeps rawBody', () => [keepRawBody]],
    [
      'express.json() that keeps rawBody',
      (express) => [
        express.json({ verify: (req, _res, rawBody) => void Object.assign(req, { rawBody }) }),
      ],
    ],
  ];

  test.each(READERS)('a delivery is accepted after %s', async (_what, before) => {
    const { deliver, pushed } = await start({ version, before });
    expect((await deliver(fromGitHub(SECRET))).status).toBe(202);
    expect((await deliver(fromGitHub('wrong'))).status).toBe(401);
    expect(pushed).toEqual([CLONE_URL]);
  });

  test.each<[string, (express: typeof express5) => RequestHandler[]]>([
    ['express.json()', (express) => [express.json()]],
    ['express.text()', (express) => [express.text({ type: '*/*' })]],
  ])(
    'a delivery is answered with 500 after %s, and the log says what to do',
    async (_what, before) => {
      const { deliver, pushed, log } = await start({ version, before });
      const reply = await deliver(fromGitHub(SECRET));
      expect(reply.status).toBe(500);
      expect(JSON.parse(reply.body.toString())).toMatchObject({ code: 'INVALID_OPTIONS' });
      expect(pushed).toEqual([]);
      const err = expect.objectContaining({ message: expect.stringContaining('mount it before') });
      expect(log).toMatchObject([{ level: 'error', fields: { code: 'INVALID_OPTIONS', err } }]);
    },
  );

  test.each(['GET', 'HEAD', 'PUT', 'OPTIONS'])(
    'the method %s is answered with 405',
    async (method) => {
      const { port } = await start({ version });
      const { headers } = fromGitHub(SECRET);
      const reply = await send({ port, prefix: '' }, '/hooks', { method, headers });
      expect([reply.status, reply.headers.allow]).toEqual([405, 'POST']);
    },
  );

  test('a body of more than 25 MiB is answered with 413, and the connection stays usable', async () => {
    // A request that waited for its socket does not say that it reuses it.
    const connections = new Set<unknown>();
    const count: RequestHandler = (req, _res, next) => {
      connections.add(req.socket);
      next();
    };
    const { port, pushed } = await start({ version, before: () => [count] });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const large = Buffer.alloc(25 * 1024 * 1024 + 1, ' ');
    const signed = { 'x-hub-signature-256': hubSignature(SECRET, large) };
    const chunked = { 'transfer-encoding': 'chunked' };
    const right = fromGitHub(SECRET);
    const requests: [Delivery, number][] = [
      [{ body: large, headers: signed }, 413],
      [{ body: large, headers: { ...signed, ...chunked } }, 413],
      [{ body: large, headers: {} }, 401],
      [fromGitHub('wrong'), 401],
      [right, 202],
    ];
    try {
      for (const [index, [{ body, headers }, status]] of requests.entries()) {
        const options = { method: 'POST', body, headers, agent };
        const reply = await send({ port, prefix: '' }, '/hooks', options);
        expect([index, reply.status, connections.size]).toEqual([index, status, 1]);
      }
    } finally {
      agent.destroy();
    }
    expect(pushed).toEqual([CLONE_URL]);
  });

  test('a sender that hangs up within its body is not logged as a failure', async () => {
    let reached = () => {};
    const arrived = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const tell: RequestHandler = (_req, _res, next) => {
      reached();
      next();
    };
    const { port, deliver, log } = await start({ version, before: () => [tell] });
    const socket = connect(port, '127.0.0.1');
    const head =
      'POST /hooks HTTP/1.1\r\nHost: x\r\nX-GitLab-Token: x\r\nContent-Length: 9\r\n\r\n';
    socket.write(`${head}{`);
    await arrived;
    socket.destroy();
    await once(socket, 'close');
    expect((await deliver(fromGitHub(SECRET))).status).toBe(202);
    expect(log).toEqual([]);
  });
});
