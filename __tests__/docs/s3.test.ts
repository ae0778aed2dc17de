/**
 * @one-node-version
 */
import type { S3StoreOptions } from '../../lib/stores/s3/index.js';
import { codeSpans, readTable } from './markdown.js';

/** The compiler holds these against the code. */
const OPTIONS: Record<keyof S3StoreOptions, true> = {
  bucket: true,
  prefix: true,
  client: true,
  config: true,
  connectTimeout: true,
  idleTimeout: true,
  partSize: true,
  concurrentParts: true,
  serve: true,
  urlLifetime: true,
  conditionalWrites: true,
  keepReplacedFor: true,
  maxReplacedBytes: true,
};

test('The page of the S3 store lists every option', async () => {
  const { rows } = await readTable('docs/s3.md', 'Options');
  expect(rows.flatMap(([name = '']) => codeSpans(name)).sort()).toEqual(
    Object.keys(OPTIONS).sort(),
  );
});
