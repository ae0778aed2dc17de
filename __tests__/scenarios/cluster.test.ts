/**
 * @one-node-version
 */

import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { freshRepository } from '../support/fresh-repository.js';
import { HOST } from '../support/host-app.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const PROGRAM = fileURLToPath(new URL('./cluster-app.js', import.meta.url));

/** On a connection of its own: the primary gives each new connection to the next worker. */
function digestOf(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: new Agent() }, (response) => {
      const hash = createHash('sha256');
      response.on('data', (chunk) => hash.update(chunk)).on('error', reject);
      response.on('end', () => resolve(`${response.statusCode} ${hash.digest('hex')}`));
    });
    request.on('error', reject);
  });
}

test('The workers of a cluster clone and build a repository once for 100 clients at a time', async () => {
  const { path, upstream } = await freshRepository({ directory, defer });
  const app = fork(PROGRAM, [await directory(), upstream.url], { execArgv: [] });
  const exit = once(app, 'exit');
  defer(async () => {
    app.disconnect();
    await exit;
  });
  const [{ url }] = await once(app, 'message');
  const events: { event: string; worker: number }[] = [];
  app.on('message', (event: { event: string; worker: number }) => events.push(event));
  const target = `${url}/git/${HOST}/${path}/snapshot.tar.zst`;
  const digests = await Promise.all(Array.from({ length: 100 }, () => digestOf(target)));
  expect(new Set(digests).size).toBe(1);
  expect(digests[0]).toMatch(/^200 /);
  const happened = (name: string) => events.filter(({ event }) => event === name);
  expect(new Set(happened('miss').map(({ worker }) => worker)).size).toBe(4);
  expect([happened('clone done').length, happened('build done').length]).toEqual([1, 1]);
  expect(upstream.uploadPacks(path)).toBe(1);
});
