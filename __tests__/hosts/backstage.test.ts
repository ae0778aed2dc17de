import { join } from 'node:path';
import { pack } from '../package/packed-package.js';
import { execute } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';
import { Projects } from './project.js';

const { directory, defer } = cleanup(afterAll);

test('The logger of Backstage gets a failed job with its repository and error', async () => {
  const upstream = await startUpstream({ root: await directory() });
  defer(() => upstream.close());
  const projects = new Projects(await pack(await directory()), directory);
  const project = await projects.of({ packages: ['express@5', '@backstage/backend-defaults'] });
  const env = {
    DATA_DIR: join(await directory(), 'data'),
    UPSTREAM: upstream.url,
    NODE_ENV: 'production',
  };
  const program = ['--no-warnings', 'backstage.mjs'];
  const { stdout, stderr } = await execute(process.execPath, program, { cwd: project, env });
  const lines = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
  expect([stderr, lines]).toEqual([
    '',
    [
      expect.objectContaining({
        level: 'warn',
        message: expect.stringMatching(/^repository not cloned: /),
        plugin: 'git',
        code: 'UPSTREAM_NOT_FOUND',
        repository: 'git.example/missing',
        stack: expect.stringContaining('SnapshotError'),
      }),
    ],
  ]);
});
