/*
 * node .ci/api-report.js FOLDER: writes the public declarations of each entry of the build in `dist` into a page of
 * the folder, so that a change of what users see shows in a diff.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CompilerState, Extractor, ExtractorConfig } from '@microsoft/api-extractor';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const [folder] = process.argv.slice(2);
const temporary = await mkdtemp(join(tmpdir(), 'api-report-'));

try {
  const manifest = await readFile(join(ROOT, 'package.json'), 'utf8');
  const entries = Object.entries(JSON.parse(manifest).exports)
    .filter(([, target]) => typeof target === 'object')
    .map(([path, { types }]) => [path.slice(2) || 'main', join(ROOT, types)]);
  const configs = entries.map(([name, declarations]) => configOf(name, declarations));
  const compilerState = CompilerState.create(configs[0], {
    additionalEntryPoints: entries.map(([, declarations]) => declarations),
  });
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [i, [name]] of entries.entries()) {
    // The messages are about documentation. The type check has found all errors of types.
    const messageCallback = (message) => {
      message.handled = true;
    };
    Extractor.invoke(configs[i], { compilerState, localBuild: true, messageCallback });
    const report = await readFile(join(temporary, `${name}.api.md`), 'utf8');
    await writeFile(join(folder, `${name}.md`), withTitle(name, withoutTags(report)));
  }
} finally {
  await rm(temporary, { recursive: true });
}

function configOf(name, declarations) {
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    skipLibCheck: true,
  };
  return ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(ROOT, 'package.json'),
    configObject: {
      projectFolder: ROOT,
      newlineKind: 'lf',
      mainEntryPointFilePath: declarations,
      compiler: { overrideTsconfig: { compilerOptions, files: [declarations] } },
      apiReport: {
        enabled: true,
        reportFileName: name,
        reportFolder: temporary,
        reportTempFolder: join(temporary, 'unused'),
        // Types that no entry exports are public, too, when exported declarations use them.
        includeForgottenExports: true,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
    },
  });
}

/** Without comments on releases and missing documentation: this package has no such tags. */
function withoutTags(report) {
  return report.replace(/^ *\/\/ (?:@\w+|\(undocumented\)|\(No @packageDoc).*\n/gm, '');
}

function withTitle(name, report) {
  const entry = name === 'main' ? 'express-git-snapshot' : `express-git-snapshot/${name}`;
  const title = `# \`${entry}\`\n\nAPI Extractor made this page. \`npm run api-report\` makes it again.`;
  const [, code] = /^```ts\n\n(.*?)\s*^```$/ms.exec(report);
  return `${title}\n\n\`\`\`ts\n${code}\n\`\`\`\n`;
}
