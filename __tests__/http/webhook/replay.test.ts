import {
  CLONE_URL,
  type Delivery,
  fromGitHub,
  fromGitLab,
  fromSigningGitLab,
  hubSignature,
} from './deliveries.js';
import { SECRET, webhookServers } from './webhook-server.js';

const TOKEN = 'token';

const start = webhookServers({ secret: [SECRET, TOKEN] });

const header = (delivery: Delivery, headers: Record<string, string>) => ({
  ...delivery,
  headers: { ...delivery.headers, ...headers },
});

test('A delivery of GitHub is accepted once, also under another id', async () => {
  const { deliver, pushed } = await start();
  const delivery = fromGitHub(SECRET);
  for (const again of [
    delivery,
    delivery,
    header(delivery, { 'x-github-delivery': 'another' }),
    header(delivery, { 'x-github-event': 'create' }),
  ]) {
    expect((await deliver(again)).status).toBe(202);
  }
  expect(pushed).toEqual([CLONE_URL]);
  // The ids of refused replays are not remembered.
  await deliver(header(fromGitHub(SECRET), { 'x-github-delivery': 'another' }));
  expect(pushed).toHaveLength(2);
  // The id alone is enough.
  await deliver(header(fromGitHub(SECRET), { 'x-github-delivery': 'another' }));
  expect(pushed).toHaveLength(2);
});

test('A delivery of GitLab is accepted once, and so is another one with the same body', async () => {
  const { deliver, pushed } = await start();
  const delivery = fromGitLab(TOKEN);
  for (const again of [delivery, delivery]) expect((await deliver(again)).status).toBe(202);
  expect(pushed).toHaveLength(1);
  // A second hook for the same event, and one for an event that this one caused.
  await deliver(header(delivery, { 'idempotency-key': 'another' }));
  expect(pushed).toHaveLength(2);
  await deliver(fromGitLab(TOKEN));
  expect(pushed).toHaveLength(3);
  // GitLab before 17.4 sends no Idempotency-Key.
  const { 'idempotency-key': _, ...headers } = fromGitLab(TOKEN).headers;
  for (const again of [1, 2]) {
    expect([again, (await deliver({ ...delivery, headers })).status]).toEqual([again, 202]);
  }
  expect(pushed).toHaveLength(4);
});

test('A signed message is accepted once, also if it is sent again later', async () => {
  const { deliver, pushed } = await start({ secret: 'plain' });
  const key = Buffer.from('plain');
  const sent = Math.floor(Date.now() / 1000);
  for (const timestamp of [sent - 9, sent - 9, sent]) {
    const delivery = fromSigningGitLab({ key, id: 'one', timestamp });
    expect((await deliver(delivery)).status).toBe(202);
  }
  expect(pushed).toHaveLength(1);
  await deliver(fromSigningGitLab({ key, id: 'two', timestamp: sent }));
  expect(pushed).toHaveLength(2);
});

test('A delivery that is not authentic is not remembered', async () => {
  const { deliver, pushed } = await start();
  const delivery = fromGitHub(SECRET);
  const forged = header(delivery, { 'x-hub-signature-256': hubSignature('x', delivery.body) });
  expect((await deliver(forged)).status).toBe(401);
  expect((await deliver(delivery)).status).toBe(202);
  expect(pushed).toHaveLength(1);
});

test('A delivery that had no effect is accepted again', async () => {
  let outcome: 'unknown' | 'failed' | 'known' = 'unknown';
  const isKnown = () => {
    if (outcome === 'failed') throw new Error('the store is down');
    return outcome === 'known';
  };
  const { deliver, pushed } = await start({ isKnown });
  const delivery = fromGitHub(SECRET);
  for (outcome of ['unknown', 'failed', 'known', 'known'] as const) {
    expect((await deliver(delivery)).status).toBe(202);
  }
  // Of the first two all URLs were tried.
  const before = pushed.length;
  await deliver(delivery);
  expect(pushed.length).toBe(before);
  expect(pushed.at(-1)).toBe(CLONE_URL);
});

test('A delivery without an id is accepted each time', async () => {
  const { deliver, pushed } = await start();
  const { body } = fromGitLab(TOKEN);
  const headers = { 'x-gitlab-event': 'Push Hook', 'x-gitlab-token': TOKEN };
  for (const again of [1, 2]) {
    expect([again, (await deliver({ body, headers })).status]).toEqual([again, 202]);
  }
  expect(pushed).toHaveLength(2);
});
