import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Format } from 'esbuild';
import { execute } from '../support/run.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory } = cleanup(afterEach);

const SERVICE = fileURLToPath(new URL('../../lib/service/index.js', import.meta.url));
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';

/** A host app that prints why its service can't start. */
const APP = `
  import { createSnapshotService } from ${JSON.stringify(SERVICE)};
  try {
    createSnapshotService({ dataDir: process.argv.at(-1), hosts: ['git.example'] }).close();
    console.log('starts');
  } catch (error) {
    console.log(error.code + ': ' + error.message);
  }
`;

async function start(flags: readonly string[], dataDir: string): Promise<string> {
  const program = [...flags, '--input-type=module', '-e', APP, dataDir];
  return (await execute(process.execPath, program)).stdout.trim();
}

test('Without WebAssembly, a service says at its start what it needs', async () => {
  const message = 'express-git-snapshot needs WebAssembly: start node without --jitless';
  expect(await start(['--jitless'], await directory())).toBe(`INVALID_OPTIONS: ${message}`);
});

test('Under the permission model, a service says at its start which flags it needs', async () => {
  const dataDir = join(await directory(), 'data');
  const flags = (...allowed: string[]) => [PERMISSION, '--allow-fs-read=*', ...allowed];
  const needs = (what: string) =>
    "INVALID_OPTIONS: express-git-snapshot needs more of node's permission model: " +
    `start node with ${what}`;
  const write = `--allow-fs-write=${dataDir}/*`;
  expect(await start(flags(), dataDir)).toBe(needs(`--allow-worker ${write}`));
  expect(await start(flags(write), dataDir)).toBe(needs('--allow-worker'));
  expect(await start(flags('--allow-worker'), dataDir)).toBe(needs(write));
  expect(await start(flags('--allow-worker', write), dataDir)).toBe('starts');
});

test.each<[Format, string]>([
  ['esm', 'mjs'],
  ['cjs', 'cjs'],
])(
  'In a bundle of the format %s, a service says at its start to leave the package out',
  async (format, ending) => {
    const place = await directory();
    await writeFile(join(place, 'app.js'), APP);
    // Apart from the directory `threads`, which a bundle beside it would find.
    await mkdir(join(place, 'out'));
    const outfile = join(place, 'out', `app.${ending}`);
    await build({
      entryPoints: [join(place, 'app.js')],
      bundle: true,
      platform: 'node',
      packages: 'bundle',
      logLevel: 'silent',
      format,
      outfile,
      ...(format === 'esm' && {
        banner: { js: "import * as m from 'module'; const require = m.createRequire('/');" },
      }),
    });
    const { stdout } = await execute(process.execPath, [outfile, join(place, 'data')]);
    expect(stdout).toMatch(/^INVALID_OPTIONS: .*\(external: \['express-git-snapshot'\]\)/);
  },
);
