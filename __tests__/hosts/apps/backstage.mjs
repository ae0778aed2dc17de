// Prints what Backstage's logger makes of a failure.
import { WinstonLogger } from '@backstage/backend-defaults/rootLogger';
import { createSnapshotService, parseRepository } from 'express-git-snapshot/service';
import { options } from './host.mjs';

const logger = WinstonLogger.create({ level: 'info' });
const service = createSnapshotService({ ...options, logger: logger.child({ plugin: 'git' }) });
const repository = parseRepository('git.example/missing');
await service.get({ kind: 'snapshot', repository }).catch(() => {});
await service.close();
