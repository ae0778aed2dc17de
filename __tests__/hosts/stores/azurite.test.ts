import { BlobServiceClient } from '@azure/storage-blob';
import { AzureStore } from '../../../lib/stores/azure/index.js';
import { makeContainer, startAzurite } from '../../support/bucket-servers.js';
import { cleanup } from '../../support/temporary-directory.js';
import { bucketCases } from './bucket-cases.js';

const resources = cleanup(afterAll);
let connectionString: string;
let client: BlobServiceClient;

beforeAll(async () => {
  connectionString = await startAzurite(resources);
  client = BlobServiceClient.fromConnectionString(connectionString);
});

bucketCases('An AzureStore', {
  makeBucket: () => makeContainer(connectionString),
  makeStore: (container = 'missing-bucket', options = {}) =>
    new AzureStore({ container, client, ...options }),
  names: async (container) => {
    const names: string[] = [];
    const blobs = client.getContainerClient(container).listBlobsFlat();
    for await (const { name } of blobs) names.push(name);
    return names;
  },
  putOther: (container, name) =>
    client.getContainerClient(container).getBlockBlobClient(name).upload('x', 1),
});
