/** @one-node-version */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetClient } from '../support/fleet-client.js';
import { git, run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { body, type FleetServer, problem, set, startFleetServer, status } from './fleet-server.js';

const { directory, defer } = cleanup(afterEach);
const REPOSITORY = 'example.com/org/repo';

let server: FleetServer;
let client: FleetClient;

beforeEach(async () => {
  server = await startFleetServer(defer);
  client = new FleetClient(server.url);
});

describe('applyBundle', () => {
  let workTree: string;
  let base: string;
  let tip: string;
  let restored: string;
  let bundleUrl: string;

  beforeEach(async () => {
    workTree = join(await directory(), 'source');
    await run('git', ['init', '--quiet', workTree]);
    await writeFile(join(workTree, 'file'), 'one\n');
    await git(workTree, 'add', '.');
    await git(workTree, 'commit', '--quiet', '-m', 'one');
    base = await git(workTree, 'rev-parse', 'HEAD');
    restored = join(await directory(), 'restored');
    await git(workTree, 'clone', '--quiet', workTree, restored);
    await writeFile(join(workTree, 'file'), 'two\n');
    await git(workTree, 'commit', '--quiet', '-am', 'two');
    tip = await git(workTree, 'rev-parse', 'HEAD');
    bundleUrl = `/git/${REPOSITORY}/snapshot.bundle?base=${base}`;
    respondWith(await bundle(`${base}..main`));
  });

  test('pulls the commits of a bundle', async () => {
    expect(await client.applyBundle(bundleUrl, restored)).toBe('applied');
    expect(await git(restored, 'rev-parse', 'HEAD')).toBe(tip);
    expect(await readFile(join(restored, 'file'), 'utf8')).toBe('two\n');
    expect(server.requests.map(({ path }) => path)).toEqual([bundleUrl]);
  });

  test('accepts 204 and 404', async () => {
    server.respond = () => ({ status: 204, headers: {}, body: Buffer.alloc(0) });
    expect(await client.applyBundle(bundleUrl, restored)).toBe('up to date');
    server.faults.set(1, problem(404, 'BASE_NOT_FOUND'));
    expect(await client.applyBundle(bundleUrl, restored)).toBe('not available');
    expect(await git(restored, 'rev-parse', 'HEAD')).toBe(base);
  });

  test.each<[string, () => Promise<Buffer>, string]>([
    ['names only HEAD', () => bundle(`${base}..HEAD`), 'refs/heads/{default branch}'],
    ['has no prerequisite', () => bundle('main'), 'prerequisite -{base}'],
    ['is of version 3', () => bundle(`${base}..main`, 3), 'v2 bundle'],
    ['is none', async () => Buffer.from('x'), 'v2 bundle'],
  ])('refuses a bundle that %s', async (_, create, sentence) => {
    respondWith(await create());
    await expect(client.applyBundle(bundleUrl, restored)).rejects.toMatchObject({
      name: 'ContractViolation',
      message: expect.stringContaining(sentence),
    });
    expect(await git(restored, 'rev-parse', 'HEAD')).toBe(base);
  });

  test('refuses another type, and a 404 without the problem document', async () => {
    server.faults.set(0, set('Content-Type', 'application/zstd'));
    await expect(client.applyBundle(bundleUrl, restored)).rejects.toThrow('x-git-bundle');
    server.faults.set(1, status(404));
    await expect(client.applyBundle(bundleUrl, restored)).rejects.toThrow('problem+json');
    server.faults.set(2, problem(500, 'STORE_FAILED'));
    await expect(client.applyBundle(bundleUrl, restored)).rejects.toMatchObject({ status: 500 });
  });

  async function bundle(revisions: string, version = 2): Promise<Buffer> {
    const file = join(await directory(), 'bundle');
    await git(workTree, 'bundle', 'create', '--quiet', `--version=${version}`, file, revisions);
    return readFile(file);
  }

  function respondWith(body: Buffer): void {
    const headers = { 'Content-Type': 'application/x-git-bundle' };
    server.respond = () => ({ status: 200, headers: { ...headers }, body });
  }
});

describe('ensureRefs', () => {
  const A = 'a'.repeat(40);
  const B = 'b'.repeat(40);
  const wanted = { refs: { 'refs/heads/main': A, 'refs/heads/gone': '' }, commits: [B] };
  const refs = { 'refs/heads/main': A, 'refs/heads/gone': '' };

  test('posts the wanted refs and reads the answer', async () => {
    respondWith({ refs, missing_commits: [B], fetched: true });
    expect(await client.ensureRefs(REPOSITORY, wanted)).toEqual({
      refs,
      missingCommits: [B],
      fetched: true,
    });
    const [request] = server.requests;
    expect(request).toMatchObject({ method: 'POST', path: `/git/${REPOSITORY}/ensure-refs` });
    expect(request?.headers['content-type']).toBe('application/json');
    expect(JSON.parse(request?.body ?? '')).toEqual(wanted);
  });

  test('reads a part that is left out as empty', async () => {
    respondWith({ fetched: false });
    expect(await client.ensureRefs(REPOSITORY, { commits: [B] })).toEqual({
      refs: {},
      missingCommits: [],
      fetched: false,
    });
  });

  test.each<[string, unknown]>([
    ['an extra field', { refs, fetched: true, extra: 1 }],
    ['a name of its own', { refs, missingCommits: [B], fetched: true }],
    ['no `fetched`', { refs }],
    ['a `fetched` that is no boolean', { refs, fetched: 'true' }],
    ['no refs', { fetched: true }],
    ['a ref too few', { refs: { 'refs/heads/main': A }, fetched: true }],
    ['a ref too many', { refs: { ...refs, 'refs/heads/x': A }, fetched: true }],
    ['null for a ref', { refs: { ...refs, 'refs/heads/gone': null }, fetched: true }],
    ['a short id', { refs: { ...refs, 'refs/heads/main': 'abc' }, fetched: true }],
    ['empty missing commits', { refs, missing_commits: [], fetched: true }],
    ['a commit that was not asked for', { refs, missing_commits: [A], fetched: true }],
    ['something else', []],
  ])('refuses an answer with %s', async (_, answer) => {
    respondWith(answer);
    await expect(client.ensureRefs(REPOSITORY, wanted)).rejects.toMatchObject({
      name: 'ContractViolation',
    });
  });

  test('refuses another type, another status and no JSON', async () => {
    respondWith({ refs, fetched: true });
    server.faults.set(0, set('Content-Type', 'text/plain'));
    server.faults.set(1, status(201));
    server.faults.set(2, body(Buffer.from('{')));
    for (let index = 0; index < 3; index += 1) {
      await expect(client.ensureRefs(REPOSITORY, wanted)).rejects.toMatchObject({
        name: 'ContractViolation',
      });
    }
  });

  test('refuses empty refs that were not asked for', async () => {
    respondWith({ refs: {}, fetched: false });
    await expect(client.ensureRefs(REPOSITORY, { commits: [B] })).rejects.toThrow('left out');
  });

  test('reports a refusal of the server', async () => {
    respondWith({});
    server.faults.set(0, problem(502, 'UPSTREAM_UNREACHABLE'));
    await expect(client.ensureRefs(REPOSITORY, wanted)).rejects.toMatchObject({
      name: 'RequestRefused',
      status: 502,
    });
  });

  function respondWith(answer: unknown): void {
    const headers = { 'Content-Type': 'application/json; charset=utf-8' };
    const body = Buffer.from(JSON.stringify(answer));
    server.respond = () => ({ status: 200, headers: { ...headers }, body });
  }
});
