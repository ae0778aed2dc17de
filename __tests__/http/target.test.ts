import { splitTarget } from '../../lib/http/target.js';

describe('splitTarget', () => {
  test.each([
    ['/github.com/repo/snapshot.tar.zst', 'github.com/repo'],
    ['/github.com/org/repo.git/snapshot.tar.zst', 'github.com/org/repo.git'],
    ['/h/%zz/../snapshot.tar.zst', 'h/%zz/..'],
    ['/h/r//snapshot.tar.zst', 'h/r'],
    ['/h/r///snapshot.tar.zst', 'h/r/'],
    ['//r/snapshot.tar.zst', '/r'],
  ])('finds the repository and the endpoint in %s', (path, repository) => {
    expect(splitTarget(path)).toEqual({ endpoint: 'snapshot.tar.zst', repository });
  });

  test.each([
    '/github.com/org/repo/snapshot.tar.gz',
    '/github.com/org/repo//snapshot.',
    '/github.com/org/repo/snapshot.tar.zst#x',
  ])('finds an unknown endpoint in %s', (path) => {
    const repository = 'github.com/org/repo';
    expect(splitTarget(path)).toEqual({ endpoint: 'unknown', repository });
  });

  test.each([
    '',
    '/',
    '*',
    'snapshot.tar.zst',
    '/snapshot.tar.zst',
    '//snapshot.tar.zst',
    '/github.com/snapshot.tar.zst',
    '/github.com/snapshot.zip',
    '//snapshot.zip',
    '/github.com/org/repo/snapshot',
    '/github.com/org/repo/my-snapshot.zip',
    'github.com/org/repo/snapshot.tar.zst',
    '/github.com/org/repo',
    '/github.com/org/repo/',
    '/github.com/org/repo/snapshot.tar.zst/',
    '/github.com/org/repo/SNAPSHOT.tar.zst',
    '/github.com/org/repo/snapshot%2etar.zst',
    '/github.com/org/repo%2fsnapshot.tar.zst',
  ])('passes %j to the host app', (path) => {
    expect(splitTarget(path)).toBeUndefined();
  });
});
