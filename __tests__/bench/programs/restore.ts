import { restoreSnapshot } from '../../../lib/client/index.js';

/*
 * `node restore.js URL DIRECTORY`: one restore by the client in a fresh process. Prints what it took
 * without the start of Node, as JSON.
 */

const [url = '', directory = ''] = process.argv.slice(2);
const before = process.cpuUsage();
const started = performance.now();
await restoreSnapshot({ url, directory });
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(before);
process.stdout.write(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6 }));
