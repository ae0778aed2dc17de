import { S3Store } from '../../../lib/stores/s3/index.js';
import { contentOf } from '../../../lib/testing/store-content.js';
import type { FakeS3 } from '../../support/fake-s3.js';
import type { Cleanup } from '../../support/temporary-directory.js';

/* Stores on a fake server, which the end of the test closes. */

type Defer = Cleanup['defer'];

/** The size of a part, the smallest that S3 takes. */
export const PART = 5 * 1024 * 1024;
/** Four parts. */
export const LARGE = contentOf('large', 3.5 * PART);

/** Sends two parts at a time. */
export function storeInParts(s3: FakeS3, defer: Defer): S3Store {
  const options = { bucket: 'bucket', config: s3.config, partSize: PART, concurrentParts: 2 };
  const store = new S3Store(options);
  defer(() => store.close());
  return store;
}

/** Keeps nothing that is replaced: that takes requests of its own. */
export function storeWithoutCopies(s3: FakeS3, defer: Defer): S3Store {
  const requestChecksumCalculation = 'WHEN_REQUIRED'; // the checksums take most of the time
  const config = { ...s3.config, requestChecksumCalculation } as const;
  const store = new S3Store({ bucket: 'bucket', config, partSize: PART, keepReplacedFor: 0 });
  defer(() => store.close());
  return store;
}
