/**
 * @one-node-version
 */
import type { AzureStoreOptions } from '../../lib/stores/azure/index.js';
import type { GcsStoreOptions } from '../../lib/stores/gcs/index.js';
import { codeSpans, readTable } from './markdown.js';

const COMMON = {
  prefix: true,
  client: true,
  partSize: true,
  serve: true,
  urlLifetime: true,
  keepReplacedFor: true,
  maxReplacedBytes: true,
} as const;

/** The compiler holds these against the code. */
const GCS: Record<keyof GcsStoreOptions, true> = { ...COMMON, bucket: true, config: true };
const AZURE: Record<keyof AzureStoreOptions, true> = {
  ...COMMON,
  container: true,
  connectionString: true,
  concurrentParts: true,
};

test.each([
  ['docs/gcs.md', GCS],
  ['docs/azure.md', AZURE],
])('%s lists every option of its store', async (page, options) => {
  const { rows } = await readTable(page, 'Options');
  const names = rows.flatMap(([name = '']) => codeSpans(name));
  expect(names.sort()).toEqual(Object.keys(options).sort());
});
