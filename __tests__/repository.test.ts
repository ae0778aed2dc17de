import fc from 'fast-check';
import { SnapshotError } from '../lib/errors.js';
import { decodeRepository, parseRepository, repositoryKey } from '../lib/repository.js';

const INVALID = expect.objectContaining({ name: 'SnapshotError', code: 'INVALID_REPOSITORY' });

describe('decodeRepository', () => {
  test.each([
    ['github.com/org/repo', 'github.com', 'org/repo'],
    ['GitHub.COM/Org/Repo', 'github.com', 'Org/Repo'],
    ['github.com/org/repo.git', 'github.com', 'org/repo'],
    ['h/a/b/c/d/e.git', 'h', 'a/b/c/d/e'],
    ['h/x.git/y', 'h', 'x.git/y'],
    ['h/r.GIT', 'h', 'r.GIT'],
    ['h/r%2egit', 'h', 'r'],
    ['h/~user/%C3%A9%20%25%3F%23', 'h', '~user/é %?#'],
    ['h/a%252fb', 'h', 'a%2fb'],
    ['h/...', 'h', '...'],
    ['h/.github', 'h', '.github'],
    ['127.0.0.1:3000/r', '127.0.0.1:3000', 'r'],
    ['h%3A80/r', 'h:80', 'r'],
    ['[2001:DB8::1]:8443/r', '[2001:db8::1]:8443', 'r'],
  ])('reads %s', (raw, host, path) => {
    expect(decodeRepository(raw)).toEqual({ host, path });
  });

  test.each([
    ['an empty segment', 'h//r'],
    ['an empty last segment', 'h/r/'],
    ['an empty host', '/r'],
    ['.', 'h/./r'],
    ['..', 'h/../r'],
    ['%2e', 'h/%2e/r'],
    ['%2E%2e', 'h/%2E%2e/r'],
    ['.%2e', 'h/o/.%2e'],
    ['only .git', 'h/o/.git'],
    ['.git in the middle', 'h/.git/r'],
    ['a dot segment once .git is dropped', 'h/o/..git'],
    ['a double-dot segment once .git is dropped', 'h/o/...git'],
    ['.git twice', 'h/o/r.git.git'],
    ['%2f', 'h/a%2fb'],
    ['%2F', 'h/a%2Fb'],
    ['%5c', 'h/a%5cb'],
    ['%00', 'h/a%00b'],
    ['a raw backslash', 'h/a\\b'],
    ['a raw NUL', 'h/a\0b'],
    ['a raw newline', 'h/a\nb'],
    ['a raw space', 'h/a b'],
    ['a raw byte above ASCII', 'h/\xe9'],
    ['a raw #', 'h/a#b'],
    ['a raw ?', 'h/a?b'],
    ['%0a', 'h/a%0ab'],
    ['%7f', 'h/a%7fb'],
    ['a C1 control', 'h/a%C2%85b'],
    ['a lone %', 'h/a%'],
    ['a cut escape', 'h/a%2'],
    ['an escape that is no hex', 'h/a%zzb'],
    ['a byte that is no UTF-8', 'h/a%ffb'],
    ['an overlong slash', 'h/a%c0%afb'],
    ['an encoded surrogate', 'h/a%ed%a0%80b'],
    ['a host with credentials', 'user:secret@github.com/r'],
    ['a host with an escaped @', 'user%40github.com/r'],
    ['a host with an escaped slash', 'github.com%2fx/r'],
    ['the host ..', '../r'],
    ['a host with a trailing dot', 'github.com./r'],
    ['a host with an empty label', 'github..com/r'],
    ['a host with an underscore', '__proto__/r'],
    ['a host with a letter that lower-cases to ASCII', 'git%E2%84%AA.com/r'],
    ['a host label over 63 bytes', `${'a'.repeat(64)}.com/r`],
    ['a host over 255 bytes', `${'a.'.repeat(128)}com/r`],
    ['a port that is no number', 'h:x/r'],
    ['an empty port', 'h:/r'],
    ['an unclosed IPv6 literal', '[::1/r'],
    ['a scheme', 'https://github.com/org/repo'],
  ])('refuses %s', (_what, raw) => {
    expect(() => decodeRepository(raw)).toThrow(INVALID);
  });

  test('takes segments of up to 255 bytes, counted decoded', () => {
    const longest = `${'é'.repeat(127)}x`;
    expect(decodeRepository(`h/${encodeURIComponent(longest)}`).path).toBe(longest);
    expect(() => decodeRepository(`h/${encodeURIComponent(`${longest}x`)}`)).toThrow(INVALID);
  });

  test('takes paths of up to 1,024 bytes', () => {
    const longest = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(255)).join('/');
    const path = `${longest.slice(0, -2)}/ee`;
    expect(path).toHaveLength(1024);
    expect(decodeRepository(`h/${path}`).path).toBe(path);
    expect(() => decodeRepository(`h/${path}e`)).toThrow(INVALID);
  });

  test('refuses without showing what was sent', () => {
    expect.assertions(2);
    try {
      decodeRepository('user:secret@github.com/r');
    } catch (error) {
      expect(error).toBeInstanceOf(SnapshotError);
      expect(String(error)).not.toContain('secret');
    }
  });
});

describe('parseRepository', () => {
  test('reads plain text by the same rules', () => {
    const expected = { host: 'github.com', path: 'org/repo' };
    expect(parseRepository('GitHub.com/org/repo.git')).toEqual(expected);
    expect(parseRepository('h/a b/%2e%2e/é')).toEqual({ host: 'h', path: 'a b/%2e%2e/é' });
  });

  test.each([
    'https://github.com/org/repo',
    'https://github.com/org/repo.git',
    'HTTPS://GitHub.com:443/org/repo.git/',
    'http://github.com:80/org/repo',
    'https://user:secret@github.com/org/repo.git',
    'https://github.com/org/re%70o',
    'ssh://git@github.com/org/repo.git',
    'ssh://git@github.com:2222/org/repo.git',
    'git://github.com/org/repo',
    'git@github.com:org/repo.git',
    'git@github.com:/org/repo.git',
  ])('takes the clone URL %s', (url) => {
    expect(parseRepository(url)).toEqual({ host: 'github.com', path: 'org/repo' });
  });

  test('keeps a port of HTTP that is not the default one', () => {
    const expected = { host: 'git.corp:8443', path: 'a/b' };
    expect(parseRepository('https://git.corp:8443/a/b.git')).toEqual(expected);
  });

  test.each([
    'https://github.com/org/repo?x',
    'https://github.com/org/repo#x',
    'https://github.com/',
    'https://github.com/org/../repo',
    'https://github.com/org/%2e%2e/repo',
    'https://a@b@github.com/org/repo',
    'ftp://github.com/org/repo',
    'file:///org/repo',
    'git@github.com:',
    'git@github.com:../repo',
    'a@b@github.com:org/repo',
  ])('refuses the URL %s', (url) => {
    expect(() => parseRepository(url)).toThrow(INVALID);
  });

  test.each(['', 'github.com', 'github.com/', 'h/../r', 'h/a\nb', 'h/\ud800', 'h/a\\b', 'a@h/r'])(
    'refuses %j',
    (text) => {
      expect(() => parseRepository(text)).toThrow(INVALID);
    },
  );
});

/** The rules for every id, written without the code under test. */
function violations({ host, path }: { host: string; path: string }): string[] {
  const segments = path.split('/');
  const found: string[] = [];
  if (host !== host.toLowerCase() || /[^a-z0-9.:[\]-]/.test(host)) found.push('host');
  if (host.split('.').some((label) => label === '')) found.push('host label');
  if (Buffer.byteLength(path) > 1024) found.push('path length');
  for (const segment of segments) {
    if (['', '.', '..', '.git'].includes(segment)) found.push(`segment ${segment}`);
    if (Buffer.byteLength(segment) > 255) found.push('segment length');
    for (const char of segment) {
      const code = char.codePointAt(0) ?? 0;
      const control = code < 0x20 || (code >= 0x7f && code < 0xa0);
      const surrogate = code >= 0xd800 && code < 0xe000;
      if (control || surrogate || char === '\\') found.push(`character ${code}`);
    }
  }
  if (path.endsWith('.git')) found.push('.git');
  return found;
}

describe('For any input,', () => {
  const token = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('/', '.', '..', '.git', '%2e', '%2E.', '%2f', '%5C') },
    { weight: 2, arbitrary: fc.constantFrom('%00', '%0d', '%7f', '%c2%80', '%ff', '%', '%c3%a9') },
    {
      weight: 2,
      arbitrary: fc.constantFrom('\\', '@', ':', '[::1]', ':80', '#', '?', '\0', '%25'),
    },
    { weight: 3, arbitrary: fc.stringMatching(/^[a-zA-Z0-9-]{1,8}$/) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
    { weight: 1, arbitrary: fc.constant('x'.repeat(250)) },
  );
  const host = fc.oneof(fc.constantFrom('h', 'GitHub.com', '[::1]:1', '10.0.0.1:80'), token);
  const raw = fc
    .tuple(host, fc.array(token, { maxLength: 12 }))
    .map(([first, rest]) => `${first}/${rest.join('')}`);

  test.each([
    ['decodeRepository', decodeRepository],
    ['parseRepository', parseRepository],
  ])('%s refuses, or gives an id that its key gives back', (_name, parse) => {
    let accepted = 0;
    fc.assert(
      fc.property(raw, (text) => {
        let id: ReturnType<typeof parse>;
        try {
          id = parse(text);
        } catch (error) {
          expect(error).toEqual(INVALID);
          return;
        }
        accepted++;
        expect(violations(id)).toEqual([]);
        expect(parseRepository(repositoryKey(id))).toEqual(id);
      }),
      { seed: 20_19, numRuns: 4_000 },
    );
    expect(accepted).toBeGreaterThan(200);
  });
});
