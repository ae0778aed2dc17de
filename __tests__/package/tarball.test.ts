import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanup } from '../support/temporary-directory.js';
import { listTarball, pack, readManifest } from './packed-package.js';

const { directory } = cleanup(afterAll);
let files: string[];

beforeAll(async () => {
  files = await listTarball(await pack(await directory()));
});

/** The scripts of worker threads, each bundled into one file. */
const THREADS = ['mirror', 'writer', 'checkout', 'resolver'];

/** Sources that become WebAssembly. */
const isAssembly = (name: string) => name.startsWith('pack/wasm/');

test('The package contains the files that users need and no others', async () => {
  const sources = await readdir(join(process.cwd(), 'lib'), { recursive: true });
  const modules = sources
    .filter((name) => name.endsWith('.ts') && !isAssembly(name))
    .map((name) => name.slice(0, -3));
  const [docs, examples] = await Promise.all(
    ['docs', 'examples'].map((folder) => readdir(folder, { recursive: true })),
  );
  const expected = [
    'LICENSE',
    'README.md',
    'package.json',
    ...(docs ?? []).filter((name) => !name.startsWith('api-report')).map((name) => `docs/${name}`),
    ...(examples ?? []).filter((name) => name.includes('/')).map((name) => `examples/${name}`),
    ...sources
      .filter((name) => isAssembly(name) && !name.endsWith('tsconfig.json'))
      .map((name) => `lib/${name}`),
    'dist/threads/objects.wasm',
    ...THREADS.map((name) => `dist/threads/${name}.js`),
    ...modules.flatMap((name) => [
      `lib/${name}.ts`,
      ...['js', 'js.map', 'd.ts', 'd.ts.map'].map((ending) => `dist/${name}.${ending}`),
    ]),
  ];
  expect(files.sort()).toEqual(expected.sort());
});

test('The package contains every export with its types', async () => {
  const { exports } = await readManifest();
  const targets = Object.values(exports).flatMap((target) =>
    typeof target === 'string' ? [target] : Object.values(target),
  );
  expect(targets.length).toBeGreaterThan(6);
  for (const target of targets) expect(files).toContain(target.replace(/^\.\//, ''));
});

test.each([
  ['mirror', ['fzstd', 'lru-cache', 'xxhash-wasm']],
  ['writer', ['lru-cache', 'tar/header', 'tar/pax', 'xxhash-wasm']],
  ['checkout', ['lru-cache', 'tar/header', 'tar/pax', 'xxhash-wasm']],
  ['resolver', []],
])('A thread starts quickly, as it loads few packages: %s', async (name, packages) => {
  const script = await readFile(join('dist/threads', `${name}.js`), 'utf8');
  const loaded = Array.from(script.matchAll(/^import .*"([^"]+)";$/gm), ([, path = '']) => path);
  expect([...new Set(loaded)].filter((path) => !path.startsWith('node:')).sort()).toEqual(packages);
  expect(script).not.toMatch(/\bimport\(/);
});

test('The script of the mirror names the authors of the functions of isomorphic-git that it has', async () => {
  const script = await readFile('dist/threads/mirror.js', 'utf8');
  expect(script).toContain('GitRemoteHTTP = class');
  expect(script).toMatch(
    /Copyright .* the 'isomorphic-git' authors[\s\S]*Permission is hereby granted/,
  );
});
