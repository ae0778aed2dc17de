import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { isTemporaryName, removeAbandoned, temporaryName } from '../../lib/fs/temporary.js';

const MODULE = new URL('../../lib/fs/temporary.js', import.meta.url).href;
const PROGRAM = `import { temporaryName } from ${JSON.stringify(MODULE)};`;
const DAY = 24 * 60 * 60_000;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'temporary-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

describe('temporaryName', () => {
  test('returns a file name that starts with the prefix and differs each time', () => {
    const name = temporaryName('some.prefix');
    expect(name).toMatch(/^some\.prefix~[^/]+\.tmp$/);
    expect(temporaryName('some.prefix')).not.toBe(name);
    expect(isTemporaryName(name)).toBe(true);
  });

  test.each(['object', 'a~b', '~', 'backup.tmp', 'file~1~2~3.tmp'])('never returns %j', (name) => {
    expect(isTemporaryName(name)).toBe(false);
  });
});

describe('removeAbandoned', () => {
  test('removes files and directories of a process that has ended', async () => {
    const [file, folder] = [await nameOfDeadProcess(), await nameOfDeadProcess()];
    await writeFile(join(directory, file), 'x');
    await mkdir(join(directory, folder, 'objects', 'pack'), { recursive: true });
    await writeFile(join(directory, folder, 'objects', 'pack', 'x.pack'), 'x');
    await removeAbandoned(directory);
    expect(await readdir(directory)).toEqual([]);
  });

  test('removes files of an earlier process that had our pid', async () => {
    await writeFile(join(directory, withOtherStart(temporaryName('x'))), 'x');
    await removeAbandoned(directory);
    expect(await readdir(directory)).toEqual([]);
  });

  test('keeps files of this process and its threads, however old', async () => {
    const worker = new Worker(
      `import('node:worker_threads').then(async ({ parentPort }) => {
        const { temporaryName } = await import(${JSON.stringify(MODULE)});
        parentPort.postMessage(temporaryName('x'));
      })`,
      { eval: true },
    );
    const [ofThread] = await once(worker, 'message');
    const names = [temporaryName('x'), String(ofThread)].sort();
    for (const name of names) await makeOld(name, 2 * DAY);
    await removeAbandoned(directory);
    expect((await readdir(directory)).sort()).toEqual(names);
  });

  test('removes files of another host, or of a pid in use, only after 24 hours', async () => {
    const onOtherHost = () => temporaryName('x').replace(/~[^~]+~/, '~elsewhere.example~');
    const ofParent = () => temporaryName('x').replace(`~${process.pid}~`, `~${process.ppid}~`);
    const young = [onOtherHost(), ofParent()];
    for (const name of young) await makeOld(name, DAY - 60_000);
    for (const name of [onOtherHost(), ofParent()]) await makeOld(name, DAY + 60_000);
    await removeAbandoned(directory);
    expect((await readdir(directory)).sort()).toEqual(young.sort());
  });

  test('keeps all other files, even when they are old', async () => {
    const names = ['README', 'x.tmp', `${await nameOfDeadProcess()}.keep`, '~~.tmp'].sort();
    for (const name of names) await makeOld(name, 9 * DAY);
    await removeAbandoned(directory);
    expect((await readdir(directory)).sort()).toEqual(names);
  });

  test('does nothing where there is no directory', async () => {
    await removeAbandoned(join(directory, 'missing'));
  });
});

async function nameOfDeadProcess(): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '--eval',
    `${PROGRAM} process.stdout.write(temporaryName('x'))`,
  ]);
  return stdout;
}

function withOtherStart(name: string): string {
  const parts = name.split('~');
  return parts.with(3, String(Number(parts[3]) - 1)).join('~');
}

async function makeOld(name: string, age: number): Promise<void> {
  const path = join(directory, name);
  await writeFile(path, 'x');
  await utimes(path, new Date(), new Date(Date.now() - age));
}
