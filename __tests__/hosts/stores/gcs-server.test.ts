/**
 * @needs gcs
 */
import { generateKeyPairSync } from 'node:crypto';
import { Storage, type StorageOptions } from '@google-cloud/storage';
import { GcsStore } from '../../../lib/stores/gcs/index.js';
import { makeGcsBucket, startGcsServer } from '../../support/bucket-servers.js';
import { cleanup } from '../../support/temporary-directory.js';
import { bucketCases } from './bucket-cases.js';

const resources = cleanup(afterAll);
let config: StorageOptions;
let client: Storage;

beforeAll(async () => {
  config = await startGcsServer(resources);
  client = new Storage(config);
  // URLs are signed by a service account of ours.
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const credentials = { client_email: 'robot@project.test', private_key: privateKey };
  const signer = new Storage({ credentials }).authClient;
  client.authClient.getCredentials = async () => credentials;
  client.authClient.sign = (data) => signer.sign(data);
});

bucketCases('A GcsStore', {
  makeBucket: () => makeGcsBucket(config),
  makeStore: (bucket = 'missing-bucket', options = {}) =>
    new GcsStore({ bucket, client, ...options }),
  names: async (bucket) => {
    const [files] = await client.bucket(bucket).getFiles();
    return files.map(({ name }) => name);
  },
  putOther: (bucket, name) => client.bucket(bucket).file(name).save('x', { resumable: false }),
});
