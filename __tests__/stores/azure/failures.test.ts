import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { AzureStore } from '../../../lib/stores/azure/index.js';
import { SignedUrls } from '../../../lib/stores/azure/signed-urls.js';
import { contentOf, put } from '../../../lib/testing/store-content.js';
import { setDate } from '../../support/fake-date.js';
import { heldParts, startServer } from '../../support/stubborn-server.js';
import { cleanup } from '../../support/temporary-directory.js';
import { expectBoundedReading, expectNamedFailures } from '../bucket/failing-server.js';

const MIB = 1024 * 1024;
const DAY = 86_400_000;
const CREDENTIAL = new StorageSharedKeyCredential(
  'account',
  Buffer.from('secret').toString('base64'),
);

const { defer } = cleanup(afterEach);

function make(url: string): AzureStore {
  const client = new BlobServiceClient(url, CREDENTIAL, { retryOptions: { maxTries: 1 } });
  const store = new AzureStore({ container: 'snaps', client, partSize: MIB, concurrentParts: 2 });
  defer(() => store.close());
  return store;
}

test.each([
  [503, 'ServerBusy', 'STORE_BUSY'],
  [429, 'TooManyRequests', 'STORE_BUSY'],
  [403, 'AuthorizationFailure', 'STORE_FAILED'],
  [507, 'Full', 'STORAGE_FULL'],
] as const)(
  'After %d %s, all failures say what was asked for, and when to ask again',
  async (status, code, expected) => {
    const url = await startServer(defer, (req, res) => {
      req.resume();
      const type = { 'Content-Type': 'application/xml' };
      res.writeHead(status, { ...type, 'Retry-After': '7', 'x-ms-error-code': code });
      res.end(req.method === 'HEAD' ? '' : `<Error><Code>${code}</Code></Error>`);
    });
    const store = make(`${url}/account`);
    await expectNamedFailures(store, 'the Azure container snaps', status, expected);
  },
);

test('A server that is gone is a failure of the store', async () => {
  const store = make('http://127.0.0.1:1/account');
  await expect(store.stat('key')).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await expect(put(store, 'key', contentOf('a'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
});

test('A container that is missing is no miss', async () => {
  const url = await startServer(defer, (_, res) => {
    res.writeHead(404, { 'x-ms-error-code': 'ContainerNotFound' }).end();
  });
  await expect(make(`${url}/account`).stat('key')).rejects.toMatchObject({ code: 'STORE_FAILED' });
});

test('A write whose parts are not accepted yet reads only some parts of its body', async () => {
  const { answer, held } = heldParts(2, (req) => req.url?.includes('comp=block&') === true);
  const url = await startServer(defer, answer);
  await expectBoundedReading(make(`${url}/account`), held);
});

test('One user delegation key signs all URLs of some days', async () => {
  const credential = { getToken: async () => ({ token: 'token', expiresOnTimestamp: 0 }) };
  const client = new BlobServiceClient('https://account.blob.core.windows.net', credential);
  let keys = 0;
  client.getUserDelegationKey = async (signedStartsOn, signedExpiresOn) => {
    keys += 1;
    if (keys === 1) throw new Error('not yet');
    const about = { signedObjectId: 'o', signedTenantId: 't', signedService: 'b' };
    const value = Buffer.from('key').toString('base64');
    return Object.assign(Object.create(null), {
      ...about,
      signedStartsOn,
      signedExpiresOn,
      signedVersion: '2020-02-10',
      value,
    });
  };
  const urls = new SignedUrls(client);
  const blob = client.getContainerClient('snaps').getBlobClient('a/b.object');
  await expect(urls.sign(blob, { expiresIn: 300 })).rejects.toThrow('not yet');
  const url = await urls.sign(blob, { expiresIn: 300, contentType: 'application/zstd' });
  await urls.sign(blob, { expiresIn: 300 });
  expect(keys).toBe(2);
  const { searchParams } = new URL(url);
  expect([searchParams.get('sp'), searchParams.get('rsct')]).toEqual(['r', 'application/zstd']);
  setDate(defer, 7 * DAY);
  await urls.sign(blob, { expiresIn: 300 });
  expect(keys).toBe(3);
});
