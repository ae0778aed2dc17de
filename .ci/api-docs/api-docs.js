/*
 * node .ci/api-docs/api-docs.js FOLDER: writes the reference of each entry of the build in `dist` into a page of the
 * folder, from the docblocks. Fails if an exported name or an option has no docblock.
 *
 * TypeDoc does not work with the TypeScript of this project yet, so it has a project of its own.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, ReflectionKind } from 'typedoc';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '..', '..');
const [folder] = process.argv.slice(2);

const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
/** The name of an entry by TypeDoc's name of its file: `stores` → `store`. */
const entries = new Map(
  Object.entries(manifest.exports)
    .filter(([, target]) => typeof target === 'object')
    .map(([path, { types }]) => [moduleOf(types), path.slice(2) || 'main']),
);

const app = await Application.bootstrapWithPlugins({
  plugin: ['typedoc-plugin-markdown'],
  tsconfig: join(HERE, 'tsconfig.json'),
  basePath: join(ROOT, 'dist'),
  entryPoints: Object.values(manifest.exports).flatMap(({ types }) =>
    types ? [join(ROOT, types)] : [],
  ),
  out: resolve(folder),
  name: `${manifest.name} ${manifest.version}`,
  readme: 'none',
  excludeExternals: true,
  disableSources: true,
  outputFileStrategy: 'modules',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useCodeBlocks: true,
  pageTitleTemplates: {
    module: ({ name }) => `\`${name === 'main' ? manifest.name : `${manifest.name}/${name}`}\``,
  },
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  treatWarningsAsErrors: true,
  // `undocumented` below checks what this package wants. Types of no use alone are not exported.
  validation: { notDocumented: false, notExported: false, invalidLink: true },
});
const project = await app.convert();
if (project === undefined) throw new Error('TypeDoc found errors');
const missing = undocumented(project);
if (missing.length > 0) throw new Error(`no docblock: ${missing.join(', ')}`);
for (const entry of project.children) entry.name = entries.get(entry.name);
await app.generateOutputs(project);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;

/** `./dist/stores/index.d.ts` → `stores`, as TypeDoc names it. */
function moduleOf(types) {
  return types.replace(/^\.\/dist\//, '').replace(/(\/index)?\.d\.ts$/, '');
}

/** Exported names, and options, without a docblock. */
function undocumented(project) {
  const names = project.children.flatMap((entry) => entry.children ?? []);
  const options = project
    .getReflectionsByKind(ReflectionKind.Property)
    .filter(({ parent }) => parent.name.endsWith('Options'));
  return [...names, ...options]
    .filter((one) => !one.isReference?.() && !hasDocblock(one))
    .map((one) => one.getFullName());
}

function hasDocblock(reflection) {
  const signatures = reflection.signatures ?? [];
  return [reflection, ...signatures].some((one) => one.hasComment());
}
