import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { codeSpans, readPage, withoutCode } from '../docs/markdown.js';

const LIB = join(process.cwd(), 'lib');

/**
 * The folders and single files of `lib/`, from the top layer down. A file imports only from its own folder and
 * from lower layers. The entry of a folder may stand above it.
 */
const LAYERS = [
  'command',
  'index.ts',
  'create-router.ts',
  'opentelemetry',
  'status-page/browser',
  'status-page',
  'http/webhook',
  'http',
  'service',
  'writer',
  'mirror',
  'mirror/jobs',
  'mirror/disk',
  'events',
  'artifact',
  'client/index.ts',
  'client/restore.ts',
  'client/update',
  'client',
  'checkout',
  'stores/index.ts',
  'stores/tiered',
  'upstream',
  'config',
  'testing',
  'stores/filesystem',
  'stores/s3',
  'stores/gcs',
  'stores/azure',
  'stores/bucket',
  'stores',
  'locks',
  'history',
  'archive',
  'pack',
  'git',
  'workers',
  'fs',
  'check-options.ts',
  'call-host.ts',
  'async',
  'repository.ts',
  'read-http-answer.ts',
  'errors.ts',
  'in-bytes.ts',
  'error-codes.ts',
  'repository-id.ts',
];

/** Static imports, `import()`, exports from other files, and the URLs of worker threads. */
const IMPORT = /(?:\bfrom|\bimport|\bimport\(|\bURL\()\s*'(\.[^']+)\.js'/g;

/** Path below `lib/` → paths of the files that it imports. */
async function importsByFile(): Promise<Map<string, string[]>> {
  const paths = await readdir(LIB, { recursive: true });
  const sources = paths.filter((path) => path.endsWith('.ts') && !path.startsWith('pack/wasm/'));
  const imports = await Promise.all(
    sources.map(async (path) => {
      const text = await readFile(join(LIB, path), 'utf8');
      const found = Array.from(text.matchAll(IMPORT), ([, target = '']) =>
        normalize(join(dirname(path), `${target}.ts`)),
      );
      return [path, found] as const;
    }),
  );
  return new Map(imports);
}

function layerOf(path: string): number {
  const folder = dirname(path);
  return LAYERS.indexOf(folder === '.' || LAYERS.includes(path) ? path : folder);
}

test('Each file of lib is in a layer, and imports only from its folder and from lower layers', async () => {
  const wrong: string[] = [];
  for (const [path, imports] of await importsByFile()) {
    if (layerOf(path) === -1) wrong.push(`${path} is in no layer`);
    for (const target of imports) {
      if (layerOf(target) < layerOf(path)) wrong.push(`${path} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('No files of lib import each other in a circle', async () => {
  const imports = await importsByFile();
  const finished = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    const from = trail.indexOf(path);
    if (from !== -1) circles.push([...trail.slice(from), path].join(' → '));
    if (from !== -1 || finished.has(path)) return;
    for (const target of imports.get(path) ?? []) visit(target, [...trail, path]);
    finished.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  expect(circles).toEqual([]);
});

test('Every import of lib leads to a file of lib', async () => {
  const imports = await importsByFile();
  expect(imports.size).toBeGreaterThan(200);
  const targets = new Set([...imports.values()].flat());
  const missing = [...targets].filter((path) => !imports.has(path));
  expect(missing).toEqual([]);
});

test('Every file that the page on the architecture names exists', async () => {
  const spans = codeSpans(withoutCode(await readPage('docs/architecture.md')));
  const named = spans.filter((span) => span.endsWith('.ts') && !span.startsWith('__tests__/'));
  expect(named.length).toBeGreaterThan(30);
  const paths = [...(await importsByFile()).keys()].map((path) => `/${path}`);
  expect(named.filter((name) => !paths.some((path) => path.endsWith(`/${name}`)))).toEqual([]);
});
