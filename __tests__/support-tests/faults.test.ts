/** @one-node-version */
import { join } from 'node:path';
import type { Fault } from '../support/faults.js';
import { encodePacket, FLUSH, readPackets } from '../support/pkt-line.js';
import { seededBytes } from '../support/random.js';
import { readPack } from '../support/read-pack.js';
import { RepositoryBuilder } from '../support/repository-builder.js';
import { execute, git, type Outcome, run, runBinary } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';
import { startUpstream, type Upstream } from '../support/upstream.js';

const shared = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
let root: string;
let tip: string;
let sound: Buffer;
let upstream: Upstream;

beforeAll(async () => {
  root = await shared.directory();
  const builder = await RepositoryBuilder.create(join(root, 'repo.git'));
  builder.commit({ files: { 'noise.dat': seededBytes(1, 100_000), 'file.txt': 'text\n' } });
  await builder.finish();
  tip = await git(join(root, 'repo.git'), 'rev-parse', 'HEAD');
});

beforeEach(async () => {
  upstream = await startUpstream({ root });
  defer(() => upstream.close());
  sound ??= (await fetchPack()).pack;
});

async function clone(...options: string[]): Promise<Outcome> {
  const config = ['-c', 'fetch.unpackLimit=1', ...options];
  const target = join(await directory(), 'clone');
  return execute('git', ['clone', '--quiet', ...config, `${upstream.url}/repo`, target]);
}

/** Asks for the pack as a client of protocol 0 does; takes what came when the body breaks off. */
async function fetchPack(): Promise<{ pack: Buffer; error: string; whole: boolean }> {
  const capabilities = 'side-band-64k ofs-delta';
  const body = [encodePacket(`want ${tip} ${capabilities}\n`), FLUSH, encodePacket('done\n')];
  const response = await fetch(`${upstream.url}/repo/git-upload-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-upload-pack-request' },
    body: Buffer.concat(body),
  });
  const bands: Buffer[][] = [[], [], [], []];
  let whole = true;
  try {
    for await (const { payload } of readPackets(chunks(response))) {
      if (payload) bands[payload.readUInt8(0)]?.push(payload.subarray(1));
    }
  } catch (error) {
    expect(String(error)).toBe('TypeError: terminated');
    whole = false;
  }
  const [, pack = [], , error = []] = bands;
  return { pack: Buffer.concat(pack), error: Buffer.concat(error).toString(), whole };
}

async function* chunks(response: Response): AsyncGenerator<Buffer> {
  for await (const chunk of response.body ?? []) yield Buffer.from(chunk);
}

const infoRefs = () => `${upstream.url}/repo/info/refs?service=git-upload-pack`;

test('Without a fault the pack is sound', async () => {
  expect(readPack(sound)).toHaveLength(4);
  expect(await clone()).toMatchObject({ code: 0 });
});

test('Faults can be combined, and be taken back one by one', async () => {
  const undo = upstream.fault('repo', { kind: 'truncate', after: 50_000 });
  const undoOther = upstream.fault('repo', { kind: 'flip', at: 10 });
  const { pack } = await fetchPack();
  expect([pack.length, pack[10]]).toEqual([50_000, (sound[10] ?? 0) ^ 0xff]);
  undo();
  expect((await fetchPack()).pack.length).toBe(sound.length);
  undoOther();
  expect((await fetchPack()).pack).toEqual(sound);
});

describe('git itself fails', () => {
  const cases: [Fault, RegExp][] = [
    [{ kind: 'status', status: 401 }, /could not read Username/],
    [{ kind: 'status', status: 403 }, /returned error: 403/],
    [{ kind: 'status', status: 404 }, /not found/],
    [{ kind: 'status', status: 500 }, /returned error: 500/],
    [{ kind: 'status', status: 503 }, /returned error: 503/],
    [{ kind: 'status', status: 500, on: 'upload-pack' }, /HTTP 500/],
    [{ kind: 'not-git' }, /not valid: is this a git repository/],
    [{ kind: 'error-packet', message: 'no such thing', on: 'info-refs' }, /no such thing/],
    [{ kind: 'error-packet', message: 'no pack today', on: 'upload-pack' }, /no pack today/],
    [{ kind: 'error-packet', message: 'out of memory', after: 5000 }, /out of memory/],
    [{ kind: 'die', after: 5000 }, /early EOF/],
    [{ kind: 'truncate', after: 5000 }, /early EOF/],
    [{ kind: 'wrong-trailer' }, /pack is corrupted \(SHA1 mismatch\)/],
    [{ kind: 'flip', at: 50_000 }, /inflate|SHA1 mismatch/],
  ];
  describe.each(['0', '2'])('by protocol %s,', (version) => {
    test.each(cases)('with the fault %j', async (fault, complaint) => {
      upstream.fault('repo', fault);
      const { code, stderr } = await clone('-c', `protocol.version=${version}`);
      expect(stderr).toMatch(complaint);
      expect(code).not.toBe(0);
    });
  });
});

describe('A fault alters the pack where it should, and nowhere else:', () => {
  const changed = (bytes: Buffer) => [...bytes.keys()].filter((i) => bytes[i] !== sound[i]);

  test.each([0, 1, 50_000])('die and truncate end it after %i bytes', async (after) => {
    upstream.fault('repo', { kind: 'truncate', after });
    expect(await fetchPack()).toEqual({ pack: sound.subarray(0, after), error: '', whole: true });
    upstream.heal('repo');
    upstream.fault('repo', { kind: 'die', after });
    expect(await fetchPack()).toEqual({ pack: sound.subarray(0, after), error: '', whole: false });
  });

  test('flip changes one byte of it', async () => {
    upstream.fault('repo', { kind: 'flip', at: 50_000 });
    expect(changed((await fetchPack()).pack)).toEqual([50_000]);
  });

  test('wrong-trailer changes only its trailer', async () => {
    upstream.fault('repo', { kind: 'wrong-trailer' });
    const { pack } = await fetchPack();
    expect(pack.length).toBe(sound.length);
    expect(changed(pack)).toEqual(Array.from({ length: 20 }, (_, i) => sound.length - 20 + i));
  });

  test('garbage-after appends bytes to it', async () => {
    upstream.fault('repo', { kind: 'garbage-after', bytes: Buffer.from('more') });
    expect((await fetchPack()).pack).toEqual(Buffer.concat([sound, Buffer.from('more')]));
  });

  test('error-packet ends it with a message', async () => {
    upstream.fault('repo', { kind: 'error-packet', message: 'stop', after: 70_000 });
    const { pack, error } = await fetchPack();
    expect([pack.length, error]).toEqual([70_000, 'stop']);
  });

  test('slow changes only its pace', async () => {
    upstream.fault('repo', { kind: 'slow', bytesPerSecond: 400_000 });
    const start = performance.now();
    expect((await fetchPack()).pack).toEqual(sound);
    expect(performance.now() - start).toBeGreaterThan(200);
  });
});

test('A fault of the list of refs cuts it where it should, and not the pack', async () => {
  const whole = Buffer.from(await (await fetch(infoRefs())).arrayBuffer());
  upstream.fault('repo', { kind: 'truncate', after: 50, on: 'info-refs' });
  const cut = Buffer.from(await (await fetch(infoRefs())).arrayBuffer());
  expect(cut).toEqual(whole.subarray(0, 50));
  expect((await fetchPack()).pack).toEqual(sound);
  upstream.heal('repo');
  upstream.fault('repo', { kind: 'die', after: 50, on: 'info-refs' });
  const broken = fetch(infoRefs()).then((response) => response.arrayBuffer());
  await expect(broken).rejects.toThrow('terminated');
  expect((await fetchPack()).pack).toEqual(sound);
});

test('stall keeps the connection open after the last byte', async () => {
  upstream.fault('repo', { kind: 'stall', after: 50_000 });
  const hangUp = new AbortController();
  const target = join(await directory(), 'clone');
  const cloning = run('git', ['clone', `${upstream.url}/repo`, target], { signal: hangUp.signal });
  const stopped = expect(cloning).rejects.toThrow();
  await upstream.waitFor(({ requests }) => (requests.at(-1)?.bytesOut ?? 0) > 50_000);
  expect(upstream.requests.at(-1)).toMatchObject({ service: 'upload-pack', closed: false });
  hangUp.abort();
  await stopped;
  await upstream.waitFor(({ requests }) => requests.at(-1)?.closed === true);
});

test('A gate holds the pack until it is released', async () => {
  const gate = upstream.gate('repo', 50_000);
  const cloning = clone();
  await gate.reached;
  const request = upstream.requests.at(-1);
  expect(request).toMatchObject({ service: 'upload-pack', finished: false });
  expect(request?.bytesOut).toBeGreaterThan(50_000);
  expect(request?.bytesOut).toBeLessThan(60_000);
  gate.release();
  expect(await cloning).toMatchObject({ code: 0 });
  expect(await clone()).toMatchObject({ code: 0 });
});

/** What came of an answer that never ends, when another request was answered that was made later. */
async function unfinished(url: string, init: RequestInit = {}): Promise<number | undefined> {
  const before = upstream.requests.length;
  const hangUp = new AbortController();
  let status: number | undefined;
  let isOver = false;
  const ended = fetch(url, { ...init, signal: hangUp.signal })
    .then((response) => {
      status = response.status;
      return response.arrayBuffer();
    })
    .finally(() => {
      isOver = true;
    });
  const stopped = expect(ended).rejects.toThrow('abort');
  await upstream.waitFor(({ requests }) => requests.length > before);
  const later = await fetch(`${upstream.url}/none/info/refs?service=git-upload-pack`);
  await later.arrayBuffer();
  expect(isOver).toBe(false);
  hangUp.abort();
  await stopped;
  return status;
}

test.each([
  [{ kind: 'hang-info-refs' }, undefined],
  [{ kind: 'hang-info-refs', headers: true }, 200],
] as const)('The answer of the fault %j does not end', async (fault, status) => {
  upstream.fault('repo', fault);
  expect(await unfinished(infoRefs())).toBe(status);
});

test.each([
  [{ kind: 'hang-upload-pack' }, undefined],
  [{ kind: 'hang-upload-pack', headers: true }, 200],
] as const)('The answer of the fault %j does not end', async (fault, status) => {
  upstream.fault('repo', fault);
  const refs = await fetch(infoRefs());
  expect([refs.status, (await refs.arrayBuffer()).byteLength > 0]).toEqual([200, true]);
  const request = { method: 'POST', body: '0000' };
  expect(await unfinished(`${upstream.url}/repo/git-upload-pack`, request)).toBe(status);
});

test('huge-refs sends a list of refs that does not end', async () => {
  upstream.fault('repo', { kind: 'huge-refs' });
  const response = await fetch(infoRefs());
  let received = 0;
  let last = Buffer.alloc(0);
  for await (const chunk of chunks(response)) {
    received += chunk.length;
    last = Buffer.concat([last, chunk]).subarray(-300);
    if (received > 20_000_000) break;
  }
  expect(last.toString()).toMatch(/refs\/heads\/\d+\/xxx/);
  await upstream.waitFor(({ requests }) => requests.at(-1)?.closed === true);
});

test.each([301, 302, 307, 308] as const)(
  'redirect %i leads to another upstream',
  async (status) => {
    const other = await startUpstream({ root });
    defer(() => other.close());
    upstream.fault('repo', { kind: 'redirect', to: `${other.url}/repo.git`, status });
    expect(await clone()).toMatchObject({ code: 0 });
    expect(upstream.requests[0]).toMatchObject({ status });
    expect(other.uploadPacks('repo')).toBe(1);
  },
);

test('require-basic-auth serves a client with the password, and no other', async () => {
  upstream.fault('repo', { kind: 'require-basic-auth', username: 'me', password: 'pa:ss' });
  expect((await clone()).stderr).toMatch(/could not read Username/);
  expect(upstream.requests.at(-1)).toMatchObject({ status: 401, authorization: false });
  const target = join(await directory(), 'clone');
  const url = upstream.url.replace('//', '//me:pa%3Ass@');
  await run('git', ['clone', '--quiet', `${url}/repo`, target]);
  expect(upstream.requests.at(-1)).toMatchObject({ status: 200, authorization: true });
});

test.each(['0', '2'])('replace-pack sends another pack by protocol %s', async (version) => {
  const other = join(await directory(), 'other.git');
  const builder = await RepositoryBuilder.create(other);
  builder.commit({ files: { 'other.txt': 'other\n' } });
  await builder.finish();
  const head = await git(other, 'rev-parse', 'HEAD');
  const pack = await runBinary('git', ['pack-objects', '--all', '--stdout', '-q'], { cwd: other });
  upstream.fault('repo', {
    kind: 'replace-pack',
    pack,
    refs: { HEAD: head, 'refs/heads/main': head },
  });
  const target = join(await directory(), 'clone');
  const config = ['-c', `protocol.version=${version}`];
  await run('git', ['clone', '-q', ...config, `${upstream.url}/repo`, target]);
  expect(await git(target, 'ls-files')).toBe('other.txt');
  upstream.heal('repo');

  upstream.fault('repo', { kind: 'replace-pack', pack });
  expect((await clone(...config)).stderr).toMatch(/did not receive|not send all|bad object/);
});
