/** @one-node-version */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const GUIDE = join(process.cwd(), 'docs', 'writing-a-store.md');
const FILE_BLOCK = /<!-- file: (?<name>[\w.-]+) -->\n```js\n(?<text>.*?)\n```/gs;

test('The example store of the guide passes the contract suite', async () => {
  const project = await mkdtemp(join(tmpdir(), 'writing-a-store-'));
  try {
    await writeFile(join(project, 'package.json'), '{"type":"module"}');
    await installSuite(project);
    for (const { groups } of (await readFile(GUIDE, 'utf8')).matchAll(FILE_BLOCK)) {
      await writeFile(join(project, String(groups?.name)), String(groups?.text));
    }
    const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--test', '--test-reporter=tap'],
      { cwd: project, env },
    );
    expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThan(50);
    expect(stdout).toMatch(/^# fail 0$/m);
  } finally {
    await rm(project, { recursive: true });
  }
});

/** A package of our name that is the one under test. */
async function installSuite(project: string): Promise<void> {
  const folder = join(project, 'node_modules', 'express-git-snapshot');
  await mkdir(folder, { recursive: true });
  for (const [name, entry] of [
    ['index.js', '../../lib/index.js'],
    ['testing.js', '../../lib/testing/index.js'],
  ] as const) {
    const url = JSON.stringify(new URL(entry, import.meta.url));
    await writeFile(join(folder, name), `export * from ${url};`);
  }
  const exports = { '.': './index.js', './testing': './testing.js' };
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module', exports }));
}
