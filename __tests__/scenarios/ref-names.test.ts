import { join } from 'node:path';
import { restoreSnapshot } from '../../lib/client/index.js';
import { freshRepository } from '../support/fresh-repository.js';
import type { HostApp } from '../support/host-app.js';
import { git, run, runBinary } from '../support/run.js';
import { push } from '../support/small-repositories.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);

/** Characters that `String.prototype.trim` removes and git keeps. */
const WHITE_SPACE = ['\u00a0', '\ufeff', '\u2028', '\u3000'];

/** Points refs to objects by their names in bytes. */
async function setRefs(bare: string, refs: readonly (readonly [Buffer, string])[]): Promise<void> {
  const commands = refs.map(([name, oid]) =>
    Buffer.concat([Buffer.from('update '), name, Buffer.from(`\0${oid}\0\0`)]),
  );
  await run('git', ['update-ref', '--stdin', '-z'], { cwd: bare, input: Buffer.concat(commands) });
}

async function restore(app: HostApp, path: string, query = ''): Promise<string> {
  const target = join(await directory(), 'restored');
  await restoreSnapshot({ url: app.snapshotUrl(path) + query, directory: target });
  return target;
}

/** All refs of a clone, in bytes. */
async function refsOf(clone: string): Promise<string> {
  return (await runBinary('git', ['for-each-ref'], { cwd: clone })).toString('latin1');
}

describe.each(WHITE_SPACE.map((space) => [JSON.stringify(space), space]))(
  'A name that ends in %s',
  (_, space) => {
    test('is another name than the one without it', async () => {
      const repository = await freshRepository({ directory, defer });
      const main = await repository.head();
      const other = await push(repository.bare, {
        branch: 'side',
        files: { 'evil.txt': 'evil\n' },
      });
      const names = [`refs/heads/main${space}`, `refs/tags/v1.0.0${space}`];
      await setRefs(
        repository.bare,
        names.map((name) => [Buffer.from(name), other]),
      );
      const app = await repository.startApp();
      const url = `${repository.url}.git`;
      const clone = join(await directory(), 'clone');
      await git('.', 'clone', '--quiet', url, clone);
      const restored = await restore(app, repository.path);
      expect(await git(restored, 'rev-parse', 'HEAD')).toBe(main);
      expect(await refsOf(restored)).toBe(await refsOf(clone));
      for (const ref of ['main', 'v1.0.0']) {
        const selected = await restore(app, repository.path, `?ref=${ref}`);
        expect(await git(selected, 'rev-parse', 'HEAD')).toBe(
          await git(repository.bare, 'rev-parse', `${ref}^{commit}`),
        );
      }
      const query = `?ref=${encodeURIComponent(`main${space}`)}`;
      const selected = await restore(app, repository.path, query);
      expect(await git(selected, 'rev-parse', 'HEAD')).toBe(other);
    });
  },
);

test('Names that are not UTF-8 arrive as they are, also two that differ in one byte', async () => {
  const repository = await freshRepository({ directory, defer });
  const main = await repository.head();
  const other = await push(repository.bare, { branch: 'side' });
  const odd = (byte: number, kind: string) =>
    Buffer.concat([Buffer.from(`refs/${kind}/caf`), Buffer.from([byte])]);
  await setRefs(repository.bare, [
    [odd(0xe9, 'heads'), main],
    [odd(0xe8, 'heads'), other],
    [odd(0xe9, 'tags'), other],
  ]);
  const app = await repository.startApp();
  const clone = join(await directory(), 'clone');
  await git('.', 'clone', '--quiet', `${repository.url}.git`, clone);
  const restored = await restore(app, repository.path);
  expect(await refsOf(restored)).toBe(await refsOf(clone));
  expect(await git(restored, 'fsck', '--full', '--strict')).toBe('');
});
