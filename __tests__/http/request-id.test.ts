import type { RequestHandler } from 'express';
import { SnapshotError } from '../../lib/errors.js';
import { cleanup } from '../support/temporary-directory.js';
import { FakeService } from './fake-service.js';
import { type SendOptions, send, serve } from './test-server.js';

const NEW = '/github.com/org/new/snapshot.tar.zst';
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const { defer } = cleanup(afterEach);

/** The id of a failed request: in the log, and in its answer. */
async function idsOf(headers: SendOptions['headers'], before: RequestHandler = (_q, _s, n) => n()) {
  const source = new FakeService();
  source.build = () => {
    throw new SnapshotError('STORE_FAILED', 'the disk is gone');
  };
  const server = await serve(source, { before: () => [before] });
  defer(() => server.close());
  const reply = await send(server, NEW, headers && { headers });
  expect(reply.status).toBe(500);
  expect(server.log).toHaveLength(1);
  return [server.log[0]?.fields.requestId, reply.headers['x-request-id']];
}

const withId =
  (id: unknown): RequestHandler =>
  (req, _res, next) => {
    Object.assign(req, { id });
    next();
  };

test('A failure is logged with the id that the host app gave its request', async () => {
  expect(await idsOf({ 'X-Request-Id': 'other' }, withId('app-1'))).toEqual(['app-1', 'app-1']);
  expect(await idsOf(undefined, withId(42))).toEqual(['42', '42']);
  const answered: RequestHandler = (_req, res, next) => {
    res.setHeader('X-Request-Id', 'answer-1');
    next();
  };
  expect(await idsOf({ 'X-Request-Id': 'other' }, answered)).toEqual(['answer-1', 'answer-1']);
});

test('A failure is logged with the X-Request-Id of the client', async () => {
  expect(await idsOf({ 'X-Request-Id': 'client-1' })).toEqual(['client-1', 'client-1']);
});

test.each([
  ['no id', undefined],
  ['an id that is too long', { 'X-Request-Id': 'x'.repeat(201) }],
  ['an id that is no word', { 'X-Request-Id': 'two words' }],
])('A failed request with %s gets a new one, which the client gets, too', async (_, headers) => {
  const [logged, answered] = await idsOf(headers);
  expect(logged).toMatch(UUID);
  expect(answered).toBe(logged);
});

test('A request that succeeds, or is wrong, gets no id', async () => {
  const source = new FakeService();
  const server = await serve(source);
  defer(() => server.close());
  const reply = await send(server, `${NEW}?depth=x`);
  expect(reply.status).toBe(400);
  expect(reply.headers['x-request-id']).toBeUndefined();
  expect(server.log).toEqual([]);
});
