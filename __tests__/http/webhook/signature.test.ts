import { signMessage } from '../../../lib/http/webhook/authenticity.js';
import { createWebhookHandler } from '../../../lib/index.js';
import { EXPRESS, type ExpressVersion } from '../test-server.js';
import {
  CLONE_URL,
  type Delivery,
  fromGitHub,
  fromGitLab,
  fromSigningGitLab,
  GITHUB_PUSH,
  GITLAB_URL,
  hubSignature,
} from './deliveries.js';
import { SECRET, webhookServers } from './webhook-server.js';

const start = webhookServers();

const KEY = Buffer.from(Array.from({ length: 32 }, (_, i) => 255 - i));
const SIGNING_TOKEN = `whsec_${KEY.toString('base64')}`;
const now = () => Math.floor(Date.now() / 1000);

const withHeaders = (delivery: Delivery, headers: Record<string, string>): Delivery => ({
  ...delivery,
  headers: { ...delivery.headers, ...headers },
});

const without = (delivery: Delivery, name: string): Delivery => {
  const { [name]: _, ...headers } = delivery.headers;
  return { ...delivery, headers };
};

test('The example of GitHub’s documentation is accepted', async () => {
  const { deliver } = await start({ secret: SECRET });
  const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
  // It is authentic but no JSON: 400 rather than 401.
  const reply = await deliver({
    body: 'Hello, World!',
    headers: { 'x-hub-signature-256': signature },
  });
  expect(reply.status).toBe(400);
});

test('The example of the Standard Webhooks specification has the signature that is given there', () => {
  const message = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: '1614265330',
    body: Buffer.from('{"test": 2432232314}'),
  };
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  expect(signMessage(secret, message)).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});

describe.each(Object.keys(EXPRESS) as ExpressVersion[])('With %s,', (version) => {
  test('a delivery of GitHub is answered with 202, and its push is announced', async () => {
    const { deliver, pushed } = await start({ version });
    const reply = await deliver(fromGitHub(SECRET));
    expect([reply.status, reply.body.length]).toEqual([202, 0]);
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(pushed).toEqual([CLONE_URL]);
  });

  test.each<[string, Delivery]>([
    ['no signature', without(fromGitHub(SECRET), 'x-hub-signature-256')],
    ['a signature with another secret', fromGitHub('other')],
    ['an empty one', withHeaders(fromGitHub(SECRET), { 'x-hub-signature-256': '' })],
    ['a prefix of the right one', shorter(fromGitHub(SECRET))],
    ['no algorithm', bare(fromGitHub(SECRET))],
    [
      'a longer one',
      withHeaders(fromGitHub(SECRET), { 'x-hub-signature-256': `sha256=${'a'.repeat(9_000)}` }),
    ],
    [
      'SHA-1 alone',
      withHeaders(without(fromGitHub(SECRET), 'x-hub-signature-256'), {
        'x-hub-signature': 'sha1=x',
      }),
    ],
    ['another body', { ...fromGitHub(SECRET), body: JSON.stringify(GITHUB_PUSH) }],
    [
      'a token that is a secret beside a wrong signature',
      withHeaders(fromGitHub('other'), { 'x-gitlab-token': SECRET }),
    ],
    ['a GitLab token that is wrong', fromGitLab('other')],
    ['a GitLab token that is empty', fromGitLab('')],
    ['a GitLab token that begins like it', fromGitLab(SECRET.slice(5, -1))],
    ['a signing token that is wrong', fromSigningGitLab({ key: KEY })],
  ])('a delivery is answered with 401: %s', async (_what, delivery) => {
    const { deliver, pushed, log } = await start({ version, secret: 'It is plain' });
    expect((await deliver(fromGitHub('It is plain'))).status).toBe(202);
    pushed.length = 0;
    const reply = await deliver(delivery);
    expect(reply.status).toBe(401);
    expect(reply.headers['www-authenticate']).toBe('Webhook-Signature');
    expect(JSON.parse(reply.body.toString())).toMatchObject({ code: 'UNAUTHORIZED', status: 401 });
    expect([pushed, log]).toEqual([[], []]);
  });

  test('a secret token of GitLab is accepted', async () => {
    const { deliver, pushed } = await start({ version, secret: 'token' });
    expect((await deliver(fromGitLab('token'))).status).toBe(202);
    expect(pushed).toEqual([GITLAB_URL]);
  });

  test('a signing token of GitLab is accepted', async () => {
    const { deliver, pushed } = await start({ version, secret: SIGNING_TOKEN });
    expect((await deliver(fromSigningGitLab({ key: KEY }))).status).toBe(202);
    expect(pushed).toEqual([GITLAB_URL]);
    // Beside a secret token that is not configured here.
    const both = withHeaders(fromSigningGitLab({ key: KEY }), { 'x-gitlab-token': 'unknown' });
    expect((await deliver(both)).status).toBe(202);
    const raw = fromSigningGitLab({ key: Buffer.from('plain') });
    expect((await deliver(raw)).status).toBe(401);
    const plain = await start({ version, secret: 'plain' });
    expect((await plain.deliver(raw)).status).toBe(202);
  });

  test.each<[string, (delivery: Delivery) => Delivery]>([
    ['another id', (one) => withHeaders(one, { 'webhook-id': 'other' })],
    ['no id', (one) => without(one, 'webhook-id')],
    ['another time', (one) => withHeaders(one, { 'webhook-timestamp': String(now() - 1) })],
    ['no time', (one) => without(one, 'webhook-timestamp')],
    [
      'another version',
      (one) => withHeaders(one, { 'webhook-signature': `v1a${signature(one).slice(2)}` }),
    ],
    ['no version', (one) => withHeaders(one, { 'webhook-signature': signature(one).slice(3) })],
    ['an empty signature', (one) => withHeaders(one, { 'webhook-signature': '' })],
    [
      'a part of it',
      (one) => withHeaders(one, { 'webhook-signature': signature(one).slice(0, -2) }),
    ],
    ['another body', (one) => ({ ...one, body: `${one.body} ` })],
    [
      'a right secret token beside a wrong signature',
      (one) => withHeaders(one, { 'webhook-signature': 'v1,x', 'x-gitlab-token': SIGNING_TOKEN }),
    ],
  ])('a signed message with %s is answered with 401', async (_what, spoil) => {
    const { deliver, pushed } = await start({ version, secret: SIGNING_TOKEN });
    expect((await deliver(spoil(fromSigningGitLab({ key: KEY })))).status).toBe(401);
    expect(pushed).toEqual([]);
  });

  test.each<[number | string, number]>([
    [now() - 240, 202],
    [now() + 240, 202],
    [now() - 360, 401],
    [now() + 420, 401],
    [0, 401],
    [Number.NaN, 401],
    ['1e9', 401],
    ['-1', 401],
    ['', 401],
    ['9'.repeat(400), 401],
  ])('a message with the time %s is answered with %i', async (timestamp, status) => {
    const { deliver } = await start({ version, secret: SIGNING_TOKEN });
    expect((await deliver(fromSigningGitLab({ key: KEY, timestamp }))).status).toBe(status);
  });

  test('one valid signature of several is enough, as while a secret is replaced', async () => {
    const { deliver } = await start({ version, secret: SIGNING_TOKEN });
    const delivery = fromSigningGitLab({ key: KEY });
    const list = `v1,${'A'.repeat(43)}= v1a,x ${signature(delivery)} `;
    expect((await deliver(withHeaders(delivery, { 'webhook-signature': list }))).status).toBe(202);
  });

  test('each of several secrets is accepted', async () => {
    const { deliver } = await start({ version, secret: ['old', 'new', SIGNING_TOKEN] });
    for (const delivery of [
      fromGitHub('old'),
      fromGitHub('new'),
      fromGitHub(SIGNING_TOKEN),
      fromGitLab('old'),
      fromGitLab('new'),
      fromSigningGitLab({ key: KEY }),
    ]) {
      expect((await deliver(delivery)).status).toBe(202);
    }
    expect((await deliver(fromGitHub('older'))).status).toBe(401);
  });

  test('the signature is checked over the bytes as they were sent', async () => {
    const { deliver, pushed } = await start({ version });
    const body = Buffer.from(
      `\t{"repository":\r\n{"clone_url":"${CLONE_URL}","x":"\xff\xfe"}}`,
      'latin1',
    );
    const headers = { 'x-github-event': 'push', 'x-hub-signature-256': hubSignature(SECRET, body) };
    expect((await deliver({ body, headers })).status).toBe(202);
    expect(pushed).toEqual([CLONE_URL]);
  });
});

describe('Options of the webhook handler:', () => {
  const service = { notifyPush: () => true };
  test.each<[string, unknown]>([
    ['secret', { service }],
    ['secret', { service, secret: '' }],
    ['secret', { service, secret: [] }],
    ['secret', { service, secret: ['a', ''] }],
    ['secret', { service, secret: 5 }],
    ['service', { secret: 'x' }],
    ['service', { secret: 'x', service: {} }],
    ['logger', { secret: 'x', service, logger: {} }],
    ['secrets', { secret: 'x', service, secrets: ['x'] }],
  ])('a wrong %s is refused with its name', (name, options) => {
    expect(() => Reflect.apply(createWebhookHandler, undefined, [options])).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(name) }),
    );
  });

  test('no message contains a secret', () => {
    const options = { secret: ['hunter2', ''], service };
    expect(() => createWebhookHandler(options)).not.toThrow(/hunter2/);
  });
});

function signature({ headers }: Delivery): string {
  return headers['webhook-signature'] ?? '';
}

function shorter(delivery: Delivery): Delivery {
  const right = delivery.headers['x-hub-signature-256'] ?? '';
  return withHeaders(delivery, { 'x-hub-signature-256': right.slice(0, -1) });
}

function bare(delivery: Delivery): Delivery {
  const right = delivery.headers['x-hub-signature-256'] ?? '';
  return withHeaders(delivery, { 'x-hub-signature-256': right.slice('sha256='.length) });
}
