import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execute } from '../support/run.js';
import type { CodeBlock } from './code-block.js';

const ROOT = process.cwd();
const SNIPPETS = join(ROOT, '__tests__', 'docs', 'snippets');

/**
 * Compiles blocks of JavaScript and TypeScript as one program, each as a module of its own, against the built package.
 * `snippets/names.d.ts` declares the names that they use without an import.
 *
 * @param project an empty directory.
 * @returns the compiler's messages. The line in each is that of the page.
 */
export async function compileBlocks(
  blocks: readonly CodeBlock[],
  project: string,
): Promise<string[]> {
  await cp(SNIPPETS, project, { recursive: true });
  // So the package's own name leads to what was built.
  for (const name of ['dist', 'node_modules', 'package.json'])
    await symlink(join(ROOT, name), join(project, name));
  for (const { page, line, language, code, file = `${line}.${language}` } of blocks) {
    const path = join(project, 'pages', page, file);
    await mkdir(dirname(path), { recursive: true });
    // `contracts/writing-a-store.test.ts` runs the files. JavaScript of so many lines has no types to check.
    const head = file.includes('-') ? '// @ts-nocheck\n' : '\n';
    await writeFile(path, `${head}${'\n'.repeat(line - 1)}${code}export {};\n`);
  }
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [compiler, '-p', project, '--pretty', 'false'];
  const { stdout, stderr } = await execute(process.execPath, args, { cwd: project });
  return `${stdout}${stderr}`.split('\n').filter((message) => message !== '');
}
