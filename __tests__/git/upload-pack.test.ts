/** @one-node-version */
import { join } from 'node:path';
import { encodeFetchRequest, readFetchAnswer } from '../../lib/git/upload-pack.js';
import { encodePacket, encodeSideBand, FLUSH } from '../support/pkt-line.js';
import { readPack } from '../support/read-pack.js';
import { git, runBinary } from '../support/run.js';
import { buildSmall } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

const OFFERED = new Set([
  'multi_ack_detailed',
  'no-done',
  'side-band-64k',
  'ofs-delta',
  'thin-pack',
  'agent=git/2.0',
]);
const NAK = encodePacket('NAK\n');
const PACK = Buffer.concat([...encodeSideBand(1, Buffer.from('PACK...'))]);

interface Answer {
  readonly pack: Buffer;
  readonly progress: string;
}

async function read(body: Uint8Array, chunk = 65_536): Promise<Answer> {
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < body.length; at += chunk) yield body.subarray(at, at + chunk);
  }
  const parts: Buffer[] = [];
  let progress = '';
  const pack = readFetchAnswer(source(), (text) => {
    progress += text;
  });
  for await (const bytes of pack) parts.push(Buffer.from(bytes));
  return { pack: Buffer.concat(parts), progress };
}

test('git upload-pack answers a request with a pack, which is read from its answer', async () => {
  const repository = join(await directory(), 'small.git');
  await buildSmall(repository);
  const wants = (await git(repository, 'for-each-ref', '--format=%(objectname)')).split('\n');
  expect(wants).toHaveLength(2);
  const request = encodeFetchRequest(wants, [], OFFERED, 'test/1.0');
  const args = ['upload-pack', '--stateless-rpc', '--strict', repository];
  const answer = await runBinary('git', args, { input: request });
  for (const chunk of [1, 1000, 65_536]) {
    const { pack, progress } = await read(answer, chunk);
    const objects = await git(repository, 'rev-list', '--objects', '--all', '--no-object-names');
    expect(readPack(pack)).toHaveLength(objects.split('\n').length);
    expect(progress).toContain('Total');
  }
});

test('git upload-pack sends only what is new when the request names what is there', async () => {
  const repository = join(await directory(), 'small.git');
  await buildSmall(repository);
  const head = await git(repository, 'rev-parse', 'main');
  const before = await git(repository, 'rev-parse', 'main~1');
  const haves = ['1'.repeat(40), before];
  const request = encodeFetchRequest([head], haves, OFFERED, 'test/1.0');
  const args = ['upload-pack', '--stateless-rpc', '--strict', repository];
  const { pack } = await read(await runBinary('git', args, { input: request }), 7);
  const range = [`${before}..${head}`];
  const objects = await git(repository, 'rev-list', '--objects', '--no-object-names', ...range);
  expect(readPack(pack)).toHaveLength(objects.split('\n').length);
});

describe('A fetch request', () => {
  test('asks only for capabilities that the upstream offers', () => {
    const ask = (...offered: string[]) =>
      encodeFetchRequest(['1'.repeat(40)], [], new Set(offered), 'test').toString();
    const want = `want ${'1'.repeat(40)} side-band-64k`;
    expect(ask('side-band-64k', 'agents=x')).toBe(`0040${want}\n00000009done\n`);
    expect(ask('side-band-64k', 'agent=git/2')).toBe(`004b${want} agent=test\n00000009done\n`);
  });

  test('has white space and odd bytes in its agent replaced', () => {
    const request = encodeFetchRequest(['1'.repeat(40)], [], OFFERED, 'a b\nc\0é/1.0').toString();
    expect(request).toContain('agent=a-b-c--/1.0\n');
  });

  test('is not made to an upstream without side-bands', () => {
    expect(() => encodeFetchRequest(['1'.repeat(40)], [], new Set(['ofs-delta']), 'test')).toThrow(
      expect.objectContaining({ code: 'REPOSITORY_UNSUPPORTED' }),
    );
  });
});

describe('The answer to a fetch', () => {
  test('holds the pack in band 1, and progress in band 2 before, in and after it', async () => {
    const progress = (text: string) => Buffer.concat([...encodeSideBand(2, Buffer.from(text))]);
    const body = [
      progress('one '),
      PACK,
      encodePacket('\x01'),
      progress('two '),
      PACK,
      progress('three'),
    ];
    const answer = await read(Buffer.concat([NAK, ...body, FLUSH]));
    expect(answer).toEqual({ pack: Buffer.from('PACK...PACK...'), progress: 'one two three' });
  });

  test('may begin with acknowledgements of commits that both sides have', async () => {
    const acks = ['', ' continue', ' common', ' ready'].map((kind) =>
      encodePacket(`ACK ${'1'.repeat(40)}${kind}\n`),
    );
    const answer = await read(Buffer.concat([...acks, NAK, PACK, FLUSH]));
    expect(answer.pack).toEqual(Buffer.from('PACK...'));
  });

  test.each<[string, string, Buffer[]]>([
    ['UPSTREAM_INVALID', 'nothing', []],
    ['UPSTREAM_INVALID', 'NAK and no more', [NAK]],
    ['UPSTREAM_INVALID', 'no flush at the end', [NAK, PACK]],
    ['UPSTREAM_INVALID', 'a flush without a pack', [NAK, FLUSH]],
    ['UPSTREAM_INVALID', 'a pack after the flush', [NAK, PACK, FLUSH, PACK]],
    ['UPSTREAM_INVALID', 'half a line', [NAK, PACK.subarray(0, -1)]],
    ['UPSTREAM_INVALID', 'a pack without a side-band', [NAK, Buffer.from('PACK\0\0\0\x02')]],
    ['UPSTREAM_INVALID', 'a pack without a band', [NAK, encodePacket('PACK')]],
    ['UPSTREAM_INVALID', 'an unknown band', [NAK, PACK, encodePacket('\x04text'), FLUSH]],
    ['UPSTREAM_INVALID', 'an empty line within the pack', [NAK, PACK, encodePacket(''), FLUSH]],
    ['UPSTREAM_INVALID', 'an empty line before the pack', [encodePacket(''), PACK, FLUSH]],
    ['UPSTREAM_INVALID', 'an ACK of nothing', [encodePacket('ACK\n'), PACK, FLUSH]],
    [
      'UPSTREAM_INVALID',
      'an ACK of another kind',
      [encodePacket(`ACK ${'1'.repeat(40)} well\n`), PACK, FLUSH],
    ],
    ['UPSTREAM_INVALID', 'a delimiter', [NAK, Buffer.from('0001'), PACK, FLUSH]],
    ['UPSTREAM_INVALID', 'HTML', [Buffer.from('<!doctype html><title>Sign in</title>')]],
    ['REPOSITORY_UNSUPPORTED', 'shallow', [encodePacket(`shallow ${'1'.repeat(40)}`), FLUSH]],
    ['UPSTREAM_UNREACHABLE', 'ERR', [encodePacket('ERR access denied\n')]],
    ['UPSTREAM_UNREACHABLE', 'ERR after NAK', [NAK, encodePacket('ERR access denied')]],
    ['UPSTREAM_UNREACHABLE', 'band 3', [NAK, PACK, encodePacket('\x03access denied\n')]],
    ['UPSTREAM_UNREACHABLE', 'band 3 at once', [encodePacket('\x03access denied\n')]],
  ])('fails with %s for %s', async (code, _, parts) => {
    const body = Buffer.concat(parts);
    for (const chunk of [1, 65_536]) {
      await expect(read(body, chunk)).rejects.toEqual(
        expect.objectContaining({ name: 'SnapshotError', code }),
      );
    }
  });

  test('has its error message cut to a length that suits a log', async () => {
    const words = encodePacket(`\x03${'no '.repeat(20_000)}`);
    await expect(read(Buffer.concat([NAK, words]))).rejects.toThrow(/^the upstream reports: no no/);
    const error: unknown = await read(words).catch((e: unknown) => e);
    expect(String(error).length).toBeLessThan(1100);
  });
});
