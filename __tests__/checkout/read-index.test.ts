import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseIndex, serializeIndex, UnreadableIndexError } from '../../lib/checkout/read-index.js';
import { git } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

/** An index with paths of many lengths, also of more than its length field can tell. */
async function repository(): Promise<string> {
  const checkout = await directory();
  await git(checkout, 'init', '--quiet');
  const names = Array.from({ length: 9 }, (_, i) => 'n'.repeat(i + 1));
  for (const name of names) await writeFile(join(checkout, name), name);
  await git(checkout, 'add', '.');
  const oid = await git(checkout, 'rev-parse', ':n');
  const long = `${'d'.repeat(200)}/`.repeat(21).slice(0, -1);
  await git(checkout, 'update-index', '--add', '--cacheinfo', `100755,${oid},${long}`);
  await writeFile(join(checkout, 'later'), '');
  return checkout;
}

test.each(['2', '3', '4'])(
  'An index of version %s is read and written as git has it',
  async (version) => {
    const checkout = await repository();
    if (version === '3') await git(checkout, 'add', '--intent-to-add', 'later');
    await git(checkout, 'update-index', '--index-version', version === '3' ? '2' : version);
    const place = join(checkout, '.git/index');
    const bytes = await readFile(place);
    expect(bytes.readUInt32BE(4)).toBe(Number(version));
    const listed = await git(checkout, 'ls-files', '--stage', '--debug');
    const { files } = parseIndex(bytes);
    await writeFile(place, serializeIndex(files.values()));
    expect(await git(checkout, 'ls-files', '--stage', '--debug')).toBe(listed);
    expect(parseIndex(await readFile(place)).files).toEqual(files);
  },
);

test('Each cut and each flipped bit of an index is noticed', async () => {
  const bytes = await readFile(join(await repository(), '.git/index'));
  for (let at = 0; at < bytes.length; at += 37) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(at) ^ 4, at);
    expect(() => parseIndex(flipped)).toThrow(UnreadableIndexError);
    expect(() => parseIndex(bytes.subarray(0, at))).toThrow(UnreadableIndexError);
  }
});
