// Express 4 or 5, after middleware that hosts often have.
import compression from 'compression';
import { createSnapshotRouter } from 'express-git-snapshot';
import { express, listening, options } from './host.mjs';

const snapshots = createSnapshotRouter(options);
await snapshots.ready();
const app = express();
app.use(compression());
app.use(express.json(), express.urlencoded({ extended: true }), express.text(), express.raw());
app.use('/git', snapshots);
const server = app.listen(0, '127.0.0.1', () => listening(server, snapshots));
