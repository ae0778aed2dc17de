import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renameUnlessTaken } from '../../lib/fs/replace.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

/** A system that refuses to rename. @param times until the reason is gone. */
function refusing(code: string, times = Number.POSITIVE_INFINITY) {
  let calls = 0;
  const move = async () => {
    calls += 1;
    if (calls <= times) throw Object.assign(new Error(code), { code });
  };
  return { move, calls: () => calls };
}

describe('renameUnlessTaken', () => {
  test('replaces a file', async () => {
    const path = await directory();
    await writeFile(join(path, 'from'), 'new');
    await writeFile(join(path, 'to'), 'old');
    expect(await renameUnlessTaken(join(path, 'from'), join(path, 'to'))).toBe(true);
    expect(await readFile(join(path, 'to'), 'utf8')).toBe('new');
  });

  test('leaves a directory that has files', async () => {
    const path = await directory();
    await mkdir(join(path, 'from'));
    await mkdir(join(path, 'to'));
    await writeFile(join(path, 'to/file'), '');
    expect(await renameUnlessTaken(join(path, 'from'), join(path, 'to'))).toBe(false);
    expect((await readdir(path)).sort()).toEqual(['from', 'to']);
  });

  test.each(['EPERM', 'EACCES', 'EBUSY'])(
    'leaves what Windows does not replace: %s',
    async (code) => {
      const { move, calls } = refusing(code);
      const taken = await directory();
      expect(await renameUnlessTaken('from', taken, { platform: 'win32', move })).toBe(false);
      expect(calls()).toBe(1);
    },
  );

  test('tries again on Windows while a name is neither free nor taken', async () => {
    const free = join(await directory(), 'to');
    const short = refusing('EPERM', 2);
    expect(await renameUnlessTaken('from', free, { platform: 'win32', move: short.move })).toBe(
      true,
    );
    const long = refusing('EPERM');
    await expect(
      renameUnlessTaken('from', free, { platform: 'win32', move: long.move }),
    ).rejects.toMatchObject({ code: 'EPERM' });
  });

  test('fails elsewhere when a rename is not allowed', async () => {
    const { move } = refusing('EPERM');
    const renaming = renameUnlessTaken('from', await directory(), { platform: 'linux', move });
    await expect(renaming).rejects.toMatchObject({ code: 'EPERM' });
  });
});
