import { fileURLToPath } from 'node:url';
import { execute } from '../support/run.js';

const POOL = fileURLToPath(new URL('../../lib/workers/pool.js', import.meta.url));
const WORKER = new URL('./obedient-worker.js', import.meta.url).href;
/** A host app that has a thread do something. */
const APP = `
  import { WorkerPool } from ${JSON.stringify(POOL)};
  const pool = new WorkerPool(new URL(${JSON.stringify(WORKER)}), 1);
  const { signal } = new AbortController();
  console.log((await pool.run({ kind: 'answer' }, { signal })) > 0);
  await pool.close();
`;

test.each([
  ['as text', ['--input-type=module', '-e', APP], ''],
  ['with a loader', ['--input-type=module', '--import', 'data:text/javascript,', '-e', APP], ''],
  [
    'with options in NODE_OPTIONS',
    ['--input-type=module', '-e', APP],
    '--max-old-space-size=300 --enable-source-maps',
  ],
  ['that a worker must not have', ['--input-type=module', '--title=app', '-e', APP], '--title=app'],
])('Worker threads start in a process that was started %s', async (_, args, NODE_OPTIONS) => {
  const { code, stdout, stderr } = await execute(process.execPath, args, { env: { NODE_OPTIONS } });
  expect([code, stdout.trim(), stderr]).toEqual([0, 'true', '']);
});
