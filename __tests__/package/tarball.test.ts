import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { localLinks, readPage, targetOf } from '../docs/markdown.js';
import { cleanup } from '../support/temporary-directory.js';
import { listTarball, pack, readManifest } from './packed-package.js';

const { directory } = cleanup(afterAll);
let tarball: string;
let files: string[];

beforeAll(async () => {
  tarball = await pack(await directory());
  files = await listTarball(tarball);
});

/** The scripts of worker threads, each bundled into one file. */
const THREADS = ['mirror', 'writer', 'checkout', 'resolver'];

/** The files that browsers get. */
const PAGE = ['icon.svg', 'page.css', 'page.html', 'page.js'];

/** Sources that become WebAssembly, and those of the script of the status page. */
const isBundled = (name: string) => /^(pack\/wasm|status-page\/browser)\//.test(name);

test('The package contains the files that users need and no others', async () => {
  const sources = await readdir(join(process.cwd(), 'lib'), { recursive: true });
  const modules = sources
    .filter((name) => name.endsWith('.ts') && !isBundled(name))
    .map((name) => name.slice(0, -3));
  const [docs, examples] = await Promise.all(
    ['docs', 'examples'].map((folder) => readdir(folder, { recursive: true })),
  );
  const expected = [
    'LICENSE',
    'README.md',
    'package.json',
    ...(docs ?? [])
      .filter((name) => /^(?!api-report).*\.(md|png)$/.test(name))
      .map((name) => `docs/${name}`),
    ...(examples ?? []).filter((name) => name.includes('/')).map((name) => `examples/${name}`),
    ...sources
      .filter((name) => isBundled(name) && !name.endsWith('tsconfig.json'))
      .map((name) => `lib/${name}`),
    'dist/threads/objects.wasm',
    ...PAGE.map((name) => `dist/status-page/page/${name}`),
    ...THREADS.map((name) => `dist/threads/${name}.js`),
    ...modules.flatMap((name) => [
      `lib/${name}.ts`,
      ...['js', 'js.map', 'd.ts', 'd.ts.map'].map((ending) => `dist/${name}.${ending}`),
    ]),
  ];
  expect(files.sort()).toEqual(expected.sort());
});

test('No page in the package links to a file that is not in it', async () => {
  const pages = files.filter((name) => name.endsWith('.md') && !name.startsWith('docs/api/'));
  const dead: [page: string, link: string][] = [];
  for (const page of pages) {
    for (const link of localLinks(await readPage(page))) {
      const target = targetOf(link, page);
      if (!files.some((name) => name === target || name.startsWith(`${target}/`))) {
        dead.push([page, link]);
      }
    }
  }
  expect(dead).toEqual([]);
});

test('The README tells how large the package is, and how many packages come with it', async () => {
  const readme = (await readPage('README.md')).replaceAll(/\s+/g, ' ');
  const [, megabytes, all, ofGit] =
    /about ([\d.]+) MB\. `npm install` adds (\d+) more .* (\d+) of them come with/.exec(readme) ??
    [];
  const { size } = await stat(tarball);
  expect(Math.abs(size / 1e6 / Number(megabytes) - 1)).toBeLessThan(0.2);
  const names = await packagesOf('express-git-snapshot');
  expect(names.size).toBe(Number(all));
  expect((await packagesOf('isomorphic-git')).size + 1).toBe(Number(ofGit));
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

/** The packages that npm installs for a package, without itself. */
async function packagesOf(name: string): Promise<ReadonlySet<string>> {
  interface Entry {
    readonly dependencies?: Record<string, string>;
  }
  const lock: { packages: Record<string, Entry> } = JSON.parse(
    await readFile('package-lock.json', 'utf8'),
  );
  const found = new Set<string>();
  const pending = [name === 'express-git-snapshot' ? '' : `node_modules/${name}`];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for (const dependency of Object.keys(lock.packages[path]?.dependencies ?? {})) {
      const place = `node_modules/${dependency}`;
      // The packages of users are not nested, so that each is there once.
      expect(Object.keys(lock.packages)).toContain(place);
      if (!found.has(place)) pending.push(place);
      found.add(place);
    }
  }
  return found;
}
