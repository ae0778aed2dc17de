import { entryPath } from '../../lib/archive/entry-path.js';

describe('The path of a tar entry', () => {
  test.each([
    ['./a', 'a'],
    ['a/b', 'a/b'],
    ['./.git/HEAD', '.git/HEAD'],
    ['./..a/...', '..a/...'],
    ['./c:\\d\ne', 'c:\\d\ne'],
  ])('written as %j is %j', (name, path) => {
    expect(entryPath(name, false)).toBe(path);
    expect(entryPath(name, true)).toBe(path);
    expect(entryPath(`${name}/`, true)).toBe(path);
    expect(() => entryPath(`${name}/`, false)).toThrow('has an entry named');
  });

  test('has at most 4,096 bytes', () => {
    expect(entryPath('a'.repeat(4096), false)).toHaveLength(4096);
    expect(() => entryPath('a'.repeat(4097), false)).toThrow('has an entry named');
  });

  test.each(['.', './'])('is the target directory for %j', (name) => {
    expect(entryPath(name, true)).toBe('');
    expect(() => entryPath(name, false)).toThrow('has an entry named');
  });

  test.each([
    '',
    '/',
    '/a',
    './/a',
    '././a',
    'a/./b',
    'a/.',
    '..',
    '../a',
    './..',
    'a/..',
    'a/../b',
    'a//b',
    'a//',
    'a\0b',
  ])('is refused for %j', (name) => {
    for (const isDirectory of [false, true]) {
      expect(() => entryPath(name, isDirectory)).toThrow(
        expect.objectContaining({ code: 'ARCHIVE_INVALID' }),
      );
    }
  });
});
