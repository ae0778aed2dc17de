import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { rawFrame } from '../client/archives.js';
import { tarOfMembers } from '../client/tar-members.js';
import { listen } from '../support/listen.js';
import { execute, git } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import type { Upstream } from '../support/upstream.js';
import { installTarball, packWithUpstream, readManifest } from './packed-package.js';

/** Mounts the router, asks it for a repository, and prints the commit that came. */
const APP = `
async function main([baseUrl, dataDir, directory]) {
  const hosts = { 'git.example': { baseUrl, allowPrivateAddresses: true } };
  const snapshots = createSnapshotRouter({ dataDir, hosts });
  const server = express().use('/git', snapshots).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = 'http://127.0.0.1:' + server.address().port;
  const url = origin + '/git/git.example/small/snapshot.tar.zst';
  const { commit } = await restoreSnapshot({ url, directory });
  console.log(commit);
  server.close();
  await snapshots.close();
}
main(process.argv.slice(2));
`;

const ESM = `
import { once } from 'node:events';
import express from 'express';
import { createSnapshotRouter } from 'express-git-snapshot';
import { restoreSnapshot } from 'express-git-snapshot/client';
`;

const COMMON_JS = `
const { once } = require('node:events');
const express = require('express');
const { createSnapshotRouter } = require('express-git-snapshot');
const { restoreSnapshot } = require('express-git-snapshot/client');
`;

/** Gets a repository from a service, unpacks it, and prints the commit that came. */
const SERVICE_APP = `
import { createSnapshotService, parseRepository } from 'express-git-snapshot/service';
import { extractSnapshot } from 'express-git-snapshot/client';
const [baseUrl, dataDir, directory] = process.argv.slice(2);
const hosts = { 'git.example': { baseUrl, allowPrivateAddresses: true } };
const service = createSnapshotService({ dataDir, hosts });
const repository = parseRepository('git.example/small');
const { body, commit } = await service.get({ kind: 'snapshot', repository });
await extractSnapshot(body, directory);
console.log(commit);
await service.close();
`;

/** Packages that entries need and that are not installed with this one. */
const OPTIONAL_PEERS = {
  'express-git-snapshot/opentelemetry': '@opentelemetry/api',
  'express-git-snapshot': 'express',
  'express-git-snapshot/status-page': 'express',
  'express-git-snapshot/azure': '@azure/storage-blob',
  'express-git-snapshot/gcs': '@google-cloud/storage',
  'express-git-snapshot/redis': 'ioredis',
  'express-git-snapshot/s3': '@aws-sdk/',
};

/** The warning of Node 20 when `require` loads an ES module; later versions print none. */
const EXPERIMENTAL = /^\(node:\d+\) ExperimentalWarning: .*\n\(Use `node --trace-warnings .*\n$/;

const { directory, defer } = cleanup(afterAll);
let tarball: string;
let upstream: Upstream;
let commit: string;

beforeAll(async () => {
  ({ tarball, upstream, commit } = await packWithUpstream({ directory, defer }));
});

describe.each(['express', 'express4'])('In an app with %s, the packed package', (version) => {
  let project: string;

  beforeAll(async () => {
    project = await directory();
    await installTarball(tarball, project, { express: version });
  });

  test('works with import', async () => {
    const outcome = await runApp('app.mjs', ESM + APP);
    expect(outcome).toEqual({ code: 0, stdout: `${commit}\n`, stderr: '' });
  });

  test('works with require', async () => {
    const { stderr, ...outcome } = await runApp('app.cjs', COMMON_JS + APP);
    expect(outcome).toEqual({ code: 0, stdout: `${commit}\n` });
    if (stderr !== '') expect(stderr).toMatch(EXPERIMENTAL);
  });

  async function runApp(name: string, code: string) {
    const place = await directory();
    await writeFile(join(project, name), code);
    const args = [name, upstream.url, join(place, 'data'), join(place, 'restored')];
    return await execute(process.execPath, args, { cwd: project });
  }
});

describe('Without Express, the packed package', () => {
  let project: string;
  let entries: string[];

  beforeAll(async () => {
    project = await directory();
    await installTarball(tarball, project, {});
    const { exports } = await readManifest();
    entries = Object.entries(exports)
      .filter(([, target]) => typeof target === 'object')
      .map(([path]) => `express-git-snapshot${path.slice(1)}`);
  });

  test('serves and unpacks snapshots', async () => {
    const place = await directory();
    await writeFile(join(project, 'service.mjs'), SERVICE_APP);
    const args = ['service.mjs', upstream.url, join(place, 'data'), join(place, 'target')];
    const outcome = await execute(process.execPath, args, { cwd: project });
    expect(outcome).toEqual({ code: 0, stdout: `${commit}\n`, stderr: '' });
    expect(await git(join(place, 'target'), 'rev-parse', 'HEAD')).toBe(commit);
  });

  test('has a command that restores, and says what its server needs', async () => {
    const { bin } = await readManifest();
    const command = join('node_modules/express-git-snapshot', bin);
    const restored = join(await directory(), 'restored');
    const archive = rawFrame(tarOfMembers([['.git/HEAD', 'ref: refs/heads/main\n']]));
    const server = createServer((_, res) => res.end(archive));
    const url = await listen(server, defer);
    const run = (...args: string[]) =>
      execute(process.execPath, [command, ...args], { cwd: project });
    expect(await run('restore', `${url}/git/git.example/small`, restored)).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^Restored /),
      stderr: '',
    });
    expect(await readdir(restored)).toEqual(['.git']);
    expect(await run('serve', '--host', 'git.example')).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'express-git-snapshot: serve needs the package express. Run: npx -p express -p express-git-snapshot express-git-snapshot serve --host git.example\n',
    });
  });

  test('has entries that need no package of the user', async () => {
    const others = entries.filter((entry) => !(entry in OPTIONAL_PEERS));
    expect(others).toHaveLength(entries.length - Object.keys(OPTIONAL_PEERS).length);
    const imports = others.map((entry) => `await import('${entry}');`).join('\n');
    await writeFile(join(project, 'imports.mjs'), imports);
    const outcome = await execute(process.execPath, ['imports.mjs'], { cwd: project });
    expect(outcome).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test.each(Object.entries(OPTIONAL_PEERS))(
    'has the entry %s, which says that it needs %s',
    async (entry, peer) => {
      const code = `import('${entry}').catch((e) => console.log(e.message));`;
      await writeFile(join(project, 'peer.mjs'), code);
      const { stdout } = await execute(process.execPath, ['peer.mjs'], { cwd: project });
      expect(stdout).toContain(`'${peer}`);
    },
  );

  test('exports no internals', async () => {
    await mkdir(join(project, 'inside'));
    const code = "import('express-git-snapshot/dist/index.js').catch((e) => console.log(e.code));";
    await writeFile(join(project, 'inside', 'app.mjs'), code);
    const { stdout } = await execute(process.execPath, ['inside/app.mjs'], { cwd: project });
    expect(stdout).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED\n');
  });
});
