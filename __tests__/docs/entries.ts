import * as client from '../../lib/client/index.js';
import * as main from '../../lib/index.js';
import * as locks from '../../lib/locks/index.js';
import * as redis from '../../lib/locks/redis.js';
import * as opentelemetry from '../../lib/opentelemetry/index.js';
import * as service from '../../lib/service/index.js';
import * as statusPage from '../../lib/status-page/index.js';
import * as azure from '../../lib/stores/azure/index.js';
import * as gcs from '../../lib/stores/gcs/index.js';
import * as store from '../../lib/stores/index.js';
import * as s3 from '../../lib/stores/s3/index.js';
import * as testing from '../../lib/testing/index.js';

/** The modules that users import. */
export const ENTRIES: Record<string, object> = {
  'express-git-snapshot': main,
  'express-git-snapshot/client': client,
  'express-git-snapshot/service': service,
  'express-git-snapshot/store': store,
  'express-git-snapshot/locks': locks,
  'express-git-snapshot/s3': s3,
  'express-git-snapshot/opentelemetry': opentelemetry,
  'express-git-snapshot/gcs': gcs,
  'express-git-snapshot/azure': azure,
  'express-git-snapshot/redis': redis,
  'express-git-snapshot/status-page': statusPage,
  'express-git-snapshot/testing': testing,
};
