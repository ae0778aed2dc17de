import fc from 'fast-check';
import {
  allowedHosts,
  hostConfig,
  originUrl,
  repositoryAt,
  upstreamUrl,
} from '../../lib/config/hosts.js';
import { parseOptions } from '../../lib/config/options.js';
import { parseRepository } from '../../lib/repository.js';

const config = parseOptions({
  dataDir: 'unused',
  hosts: {
    'github.com': {},
    'git.corp': { baseUrl: 'http://10.0.0.5:3000/git/' },
    'git.public': { baseUrl: 'http://10.0.0.5:3000/git', originUrl: 'https://git.public/scm/' },
    '127.0.0.1:8080': { allowPrivateAddresses: true },
    '[::1]:8080': {},
  },
});

describe('hostConfig', () => {
  test.each(['github.com', '127.0.0.1:8080', '[::1]:8080'])('lets %s pass', (host) => {
    expect(hostConfig(config, parseRepository(`${host}/r`))).toBe(config.hosts[host]);
  });

  test.each(['gitlab.com', 'sub.github.com', 'localhost', 'constructor', 'valueof', '1.2.3.4x'])(
    'forbids %s',
    (host) => {
      expect(() => hostConfig(config, parseRepository(`${host}/r`))).toThrow(
        expect.objectContaining({ code: 'FORBIDDEN' }),
      );
    },
  );

  test.each([
    '127.0.0.1',
    '127.0.0.1:80',
    '[::1]',
    '[::1]:80',
    'github.com:443',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0x7f.0.0.0x1',
    '0177.0.0.01',
  ])('refuses %s as malformed', (host) => {
    expect(() => hostConfig(config, parseRepository(`${host}/r`))).toThrow(
      expect.objectContaining({ code: 'INVALID_REPOSITORY' }),
    );
  });

  test('does not take an inherited property of the record for a host', () => {
    for (const host of ['__proto__', 'constructor', 'toString']) {
      expect(() => hostConfig(config, { host, path: 'r' })).toThrow(
        expect.objectContaining({ code: 'FORBIDDEN' }),
      );
    }
  });
});

describe('The URLs of a repository', () => {
  test.each([
    ['github.com/org/repo', 'https://github.com/org/repo', 'https://github.com/org/repo'],
    ['git.corp/a/b/c', 'http://10.0.0.5:3000/git/a/b/c', 'http://10.0.0.5:3000/git/a/b/c'],
    ['git.public/r', 'http://10.0.0.5:3000/git/r', 'https://git.public/scm/r'],
    ['[::1]:8080/r', 'https://[::1]:8080/r', 'https://[::1]:8080/r'],
    // As they are typed: what a path may have raw is not escaped (RFC 3986, section 3.3).
    [
      "github.com/gtk+/~a/$&;=:@,!'()*",
      "https://github.com/gtk+/~a/$&;=:@,!'()*",
      "https://github.com/gtk+/~a/$&;=:@,!'()*",
    ],
    [
      'github.com/é %/?#',
      'https://github.com/%C3%A9%20%25/%3F%23',
      'https://github.com/%C3%A9%20%25/%3F%23',
    ],
  ])('follow from the options of its host: %s', (text, upstream, origin) => {
    const repository = parseRepository(text);
    expect(upstreamUrl(config, repository)).toBe(upstream);
    expect(originUrl(config, repository)).toBe(origin);
  });

  test('are made for allowed hosts only', () => {
    const repository = parseRepository('gitlab.com/r');
    const forbidden = expect.objectContaining({ code: 'FORBIDDEN' });
    expect(() => upstreamUrl(config, repository)).toThrow(forbidden);
    expect(() => originUrl(config, repository)).toThrow(forbidden);
  });

  test('keep the path as it was when a URL parser reads them', () => {
    const segment = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 12 })
      .filter((text) => !/[/\\\p{Cc}\p{Cs}]|\.git$/u.test(text) && !/^\.{1,2}$/.test(text));
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 4 }), (segments) => {
        const repository = parseRepository(`git.corp/${segments.join('/')}`);
        const url = new URL(upstreamUrl(config, repository));
        expect(url.host).toBe('10.0.0.5:3000');
        expect(url.search + url.hash).toBe('');
        expect(url.pathname.split('/').map(decodeURIComponent)).toEqual(['', 'git', ...segments]);
      }),
      { seed: 3, numRuns: 500 },
    );
  });
});

describe('repositoryAt', () => {
  test('reads a URL of a million slashes in linear time', () => {
    const url = `https://github.com/${'/'.repeat(1e6)}x`;
    expect(repositoryAt(config, url)).toBeUndefined();
  });

  test.each<[string, string | undefined]>([
    ['https://github.com/org/repo', 'github.com/org/repo'],
    ['https://github.com/org/repo.git', 'github.com/org/repo'],
    ['https://GitHub.com/org/repo.git/', 'github.com/org/repo'],
    ['https://github.com:443/org/repo//', 'github.com/org/repo'],
    ['http://github.com/org/repo', 'github.com/org/repo'],
    ['https://user:token@github.com/org/repo.git', 'github.com/org/repo'],
    ['https://github.com/g/s/%C3%A9', 'github.com/g/s/é'],
    ['https://git.corp/a/b/c.git', 'git.corp/a/b/c'],
    ['http://10.0.0.5:3000/git/a/b.git', 'git.corp/a/b'],
    ['https://git.public/scm/r', 'git.public/r'],
    ['https://git.public/r', 'git.public/r'],
    ['https://127.0.0.1:8080/r', '127.0.0.1:8080/r'],
    ['http://127.0.0.1:8080/r', '127.0.0.1:8080/r'],
    ['https://[::1]:8080/r', '[::1]:8080/r'],
    ['https://git.public/scmr', 'git.public/scmr'],
    ['http://10.0.0.5:3000/github/r', undefined],
    ['http://10.0.0.5:3000/', undefined],
    ['http://10.0.0.5/git/a', undefined],
    ['https://gitlab.com/org/repo', undefined],
    ['https://github.com.evil.example/org/repo', undefined],
    ['https://github.com@evil.example/org/repo', undefined],
    ['https://evil.example/https://github.com/org/repo', undefined],
    ['https://github.com', undefined],
    ['https://github.com/', undefined],
    ['https://github.com//org/repo', undefined],
    ['https://github.com/org/%2e%2e%2fx', undefined],
    ['https://github.com/org/re%2Fpo', undefined],
    ['https://github.com/org/%00', undefined],
    ['https://github.com/org/%zz', undefined],
    ['https://github.com/org/.git', undefined],
    ['https://github.com\\org\\repo', undefined],
    ['https://github.com/org/repo\n', undefined],
    [`https://github.com/${'a'.repeat(256)}`, undefined],
    ['ssh://git@github.com/org/repo.git', undefined],
    ['git@github.com:org/repo.git', undefined],
    ['git://github.com/org/repo.git', undefined],
    ['file:///github.com/org/repo', undefined],
    ['javascript:alert(1)', undefined],
    ['github.com/org/repo', undefined],
    ['', undefined],
  ])('finds at %j: %s', (url, expected) => {
    const repository = repositoryAt(config, url);
    expect(repository).toEqual(expected === undefined ? undefined : parseRepository(expected));
  });

  test('prefers the host with the longest base, in any order', () => {
    const outer: [string, object] = ['outer.corp', { baseUrl: 'https://corp.example/' }];
    const inner: [string, object] = ['inner.corp', { baseUrl: 'https://corp.example/git' }];
    for (const entries of [
      [outer, inner],
      [inner, outer],
    ]) {
      const hosts = Object.fromEntries(entries);
      const { hosts: parsed } = parseOptions({ dataDir: 'unused', hosts });
      const at = (url: string) => repositoryAt({ hosts: parsed }, url);
      expect(at('https://corp.example/git/r')).toEqual({ host: 'inner.corp', path: 'r' });
      expect(at('https://corp.example/other/r')).toEqual({ host: 'outer.corp', path: 'other/r' });
    }
  });

  test('finds a repository by the URL to fetch from and by the URL that clients pull from', () => {
    const names = ['github.com/org/repo', '127.0.0.1:8080/é %', 'git.corp/a/b'];
    for (const repository of names.map(parseRepository)) {
      expect(repositoryAt(config, upstreamUrl(config, repository))).toEqual(repository);
      expect(repositoryAt(config, `${originUrl(config, repository)}.git`)).toEqual(repository);
    }
  });
});

test('The list of allowed hosts has each host to which the service may connect', () => {
  expect(allowedHosts(config)).toEqual(
    new Map([
      ['github.com', { allowPrivateAddresses: false }],
      ['10.0.0.5:3000', { allowPrivateAddresses: false }],
      ['127.0.0.1:8080', { allowPrivateAddresses: true }],
      ['[::1]:8080', { allowPrivateAddresses: false }],
    ]),
  );
  const shared = (first: boolean, second: boolean) =>
    parseOptions({
      dataDir: 'unused',
      hosts: {
        'a.corp': { baseUrl: 'https://git.corp:443/a', allowPrivateAddresses: first },
        'b.corp': { baseUrl: 'https://GIT.corp/b', allowPrivateAddresses: second },
      },
    });
  for (const options of [shared(true, false), shared(false, true)]) {
    expect(allowedHosts(options)).toEqual(new Map([['git.corp', { allowPrivateAddresses: true }]]));
  }
});
