import { BlobServiceClient } from '@azure/storage-blob';
import { AzureStore, type AzureStoreOptions } from '../../../lib/stores/azure/index.js';

const MIB = 1024 * 1024;
const client = new BlobServiceClient('https://account.blob.core.windows.net');

test.each<[string, Partial<AzureStoreOptions>]>([
  ['container', { container: '' }],
  ['container', { container: 'https://account.blob.core.windows.net/container' }],
  ['client', { client: Object.create(null) }],
  ['client', { client: undefined }],
  ['client', { connectionString: 'UseDevelopmentStorage=true' }],
  ['connectionString', { client: undefined, connectionString: 'no such thing' }],
  ['prefix', { prefix: 'x'.repeat(257) }],
  ['partSize', { partSize: MIB - 1 }],
  ['partSize', { partSize: 4001 * MIB }],
  ['concurrentParts', { concurrentParts: 0 }],
  ['urlLifetime', { urlLifetime: 604_801 }],
  ['serve', { serve: 'redirect' }],
])('A wrong %s is refused with its name', (name, wrong) => {
  expect(() => new AzureStore({ container: 'container', client, ...wrong })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(name) }),
  );
});

test('A refused connection string is not in the message', () => {
  const connectionString = 'AccountName=account;AccountKey=secret';
  expect(() => new AzureStore({ container: 'container', connectionString })).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('secret') }),
  );
});
