import { Storage } from '@google-cloud/storage';
import { GcsStore, type GcsStoreOptions } from '../../../lib/stores/gcs/index.js';

const MIB = 1024 * 1024;

test.each<[string, Partial<GcsStoreOptions>]>([
  ['bucket', { bucket: '' }],
  ['bucket', { bucket: 'gs://bucket' }],
  ['client', { client: Object.create(null) }],
  ['config', { client: new Storage(), config: {} }],
  ['prefix', { prefix: 'é'.repeat(129) }],
  ['partSize', { partSize: 0 }],
  ['partSize', { partSize: MIB + 1 }],
  ['urlLifetime', { urlLifetime: 0.5 }],
])('A wrong %s is refused with its name', (name, wrong) => {
  expect(() => new GcsStore({ bucket: 'bucket', ...wrong })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining(name) }),
  );
});
