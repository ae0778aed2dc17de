import { mkdir, readdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { ownRepository } from '../support/own-repository.js';
import { run } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';

const repository = ownRepository(buildSmall);

const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';
const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);

/** Serves a snapshot that has to be made, a variant, and a hit, and restores it. */
const APP = `
  import { startHostApp } from ${module('../support/host-app.js')};
  import { restoreSnapshot } from ${module('../../lib/client/index.js')};
  const [dataDir, upstreamUrl, path, directory] = process.argv.slice(1);
  const app = await startHostApp({ dataDir, upstreamUrl });
  const url = app.snapshotUrl(path);
  const failures = [];
  app.router.service.events.on('jobEnded', ({ error }) => error && failures.push(String(error)));
  for (const query of ['', '?depth=1', '']) {
    const response = await fetch(url + query);
    await response.arrayBuffer();
    console.log(response.status, response.headers.has('content-length') ? 'stored' : 'made');
  }
  await restoreSnapshot({ url, directory });
  await app.router.close({ drain: true });
  await app.close();
  console.log(failures);
`;

test('Under the permission model, snapshots are made, stored, served and restored', async () => {
  const place = await repository.directory();
  const dataDir = join(place, 'data');
  await mkdir(dataDir);
  const { url: upstreamUrl } = repository.upstream;
  const flags = [PERMISSION, '--allow-fs-read=*', '--allow-fs-write=*', '--allow-worker'];
  const program = [...flags, '--input-type=module', '-e', APP];
  const serve = (restored: string) => {
    const target = join(place, restored);
    return run(process.execPath, [...program, dataDir, upstreamUrl, repository.path, target]);
  };
  expect(await serve('a')).toBe('200 made\n200 made\n200 stored\n[]\n');
  // If an object was not used for long, the store notes its use.
  const snapshots = join(dataDir, 'snapshots');
  const files = async () => await readdir(snapshots, { recursive: true, encoding: 'utf8' });
  for (const name of await files()) await utimes(join(snapshots, name), 1, 1);
  expect(await serve('b')).toBe('200 stored\n200 stored\n200 stored\n[]\n');
  const descriptions = (await files()).filter((name) => name.endsWith('.object'));
  expect(descriptions.length).toBeGreaterThan(0);
  for (const name of descriptions) {
    expect((await stat(join(snapshots, name))).mtimeMs).toBeGreaterThan(1000);
  }
});
