/**
 * @needs redis
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cleanEnvironment } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream } from '../support/upstream.js';

const { directory, defer } = cleanup(afterEach);

/** Starts it with this environment; it ends with the test. */
function start(environment: Record<string, string>) {
  const program = spawn(process.execPath, ['examples/fleet/fleet.js'], {
    env: { ...cleanEnvironment(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(program, 'exit');
  defer(async () => {
    program.kill();
    await ended;
  });
  const lines = createInterface({ input: program.stdout });
  const errors = createInterface({ input: program.stderr });
  return { program, ended, lines, errors };
}

test('The fleet example clones and builds once for both replicas, goes on when one of them dies, and leaves nothing behind', async () => {
  const temporary = await directory();
  const root = await directory();
  await buildSmall(join(root, 'org', 'repo'));
  const upstream = await startUpstream({ root });
  defer(() => upstream.close());
  const environment = { PORTS: '0,0', TMPDIR: temporary, GITHUB_BASE_URL: upstream.url };
  const { program, ended, lines, errors } = start(environment);
  const urls = await ready(lines);
  const fetchFrom = async (url: string) => {
    const response = await fetch(`${url}/git/github.com/org/repo/snapshot.tar.zst`);
    expect(response.status).toBe(200);
    return Buffer.from(await response.arrayBuffer());
  };
  const [first, second] = await Promise.all(urls.map(fetchFrom));
  expect(first).toEqual(second);
  expect(upstream.uploadPacks('org/repo')).toBe(1);

  const children = await readFile(`/proc/${program.pid}/task/${program.pid}/children`, 'utf8');
  process.kill(Number(children.trim().split(' ').at(-1)), 'SIGKILL');
  for await (const line of errors) {
    if (line === 'replica 2 ended with SIGKILL; the others go on') break;
  }
  expect(await fetchFrom(urls[0] ?? '')).toEqual(first);
  program.kill();
  expect(await ended).toEqual([0, null]);
  expect(await readdir(temporary)).toEqual([]);
});

test('The fleet example fails without its bucket, says why, and leaves nothing behind', async () => {
  const temporary = await directory();
  const S3_ENDPOINT = 'http://127.0.0.1:1';
  const { ended, errors } = start({
    TMPDIR: temporary,
    S3_ENDPOINT,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'x',
    AWS_SECRET_ACCESS_KEY: 'x',
    AWS_MAX_ATTEMPTS: '1',
  });
  const said: string[] = [];
  for await (const line of errors) said.push(line);
  expect(said.join('\n')).toContain('no bucket snapshots: ');
  expect(said.join('\n')).toContain('ECONNREFUSED');
  expect(await ended).toEqual([1, null]);
  expect(await readdir(temporary)).toEqual([]);
});

async function ready(lines: AsyncIterable<string>): Promise<string[]> {
  for await (const line of lines) {
    const [, urls] = /^ready: (.+)$/.exec(line) ?? [];
    if (urls !== undefined) return urls.split(' ');
  }
  throw new Error('it ended before it was ready');
}
