import { Storage } from '@google-cloud/storage';
import { GcsStore } from '../../../lib/stores/gcs/index.js';
import { contentOf, mustOpen, put, rest } from '../../../lib/testing/store-content.js';
import { optionsOf } from '../../support/bucket-servers.js';
import { heldParts, startServer } from '../../support/stubborn-server.js';
import { cleanup } from '../../support/temporary-directory.js';
import { expectBoundedReading, expectNamedFailures } from '../bucket/failing-server.js';

const MIB = 1024 * 1024;

const { defer } = cleanup(afterEach);

function make(url: string): GcsStore {
  const client = new Storage({ ...optionsOf(url), retryOptions: { autoRetry: false } });
  const store = new GcsStore({ bucket: 'snaps', client, partSize: MIB });
  defer(() => store.close());
  return store;
}

test.each([
  [503, 'STORE_BUSY'],
  [429, 'STORE_BUSY'],
  [403, 'STORE_FAILED'],
  [507, 'STORAGE_FULL'],
] as const)(
  'After %d, all failures say what was asked for, and when to ask again',
  async (status, expected) => {
    const url = await startServer(defer, (req, res) => {
      req.resume();
      const error = { code: status, message: 'no', errors: [{ reason: 'no', message: 'no' }] };
      const fields = { 'Retry-After': '7', 'Content-Type': 'application/json' };
      res.writeHead(status, fields).end(JSON.stringify({ error }));
    });
    const store = make(url);
    await expectNamedFailures(store, 'the GCS bucket snaps', status, expected);
  },
);

test('A server that is gone is a failure of the store', async () => {
  const store = make('http://127.0.0.1:1');
  await expect(store.stat('key')).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await expect(store.open('key')).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await expect(put(store, 'key', contentOf('a'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
});

test('A download that ends too early, or without its generation, is a failure', async () => {
  const pointer = { key: 'key', revision: 'r', storedAt: 0, metadata: {} };
  const description = Buffer.from(JSON.stringify(pointer)).toString('base64url');
  let generation = '1';
  const url = await startServer(defer, (_, res) => {
    res.writeHead(200, {
      'Content-Length': 1000,
      ...(generation !== '' && { 'x-goog-generation': generation }),
      'x-goog-meta-description-0': description,
    });
    res.write(Buffer.alloc(10), () => res.destroy());
  });
  const { body } = await mustOpen(make(url), 'key');
  await expect(rest(body)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  generation = '';
  await expect(make(url).open('key')).rejects.toMatchObject({ code: 'STORE_FAILED' });
});

test('A write whose parts are not accepted yet reads only some parts of its body', async () => {
  const { answer, held } = heldParts(1, (req) => req.method === 'PUT');
  const url = await startServer(defer, (req, res) => {
    if (req.method === 'POST') res.writeHead(200, { Location: `${url}/session` }).end();
    else answer(req, res);
  });
  await expectBoundedReading(make(url), held);
});
