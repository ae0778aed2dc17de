import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execute } from '../support/run.js';
import type { CodeBlock } from './code-block.js';

const ROOT = process.cwd();
const SNIPPETS = join(ROOT, '__tests__', 'docs', 'snippets');

/**
 * Compiles blocks of JavaScript and TypeScript as one program, each as a module of its own, against the built package.
 * `snippets/names.d.ts` declares the names that they use without an import. Of a block that is a file, other blocks of
 * its page may import; its own types are not checked, since JavaScript declares none.
 *
 * @param project an empty directory.
 * @returns the compiler's messages. The line in each is that of the page.
 */
export async function compileBlocks(
  blocks: readonly CodeBlock[],
  project: string,
): Promise<string[]> {
  await cp(SNIPPETS, project, { recursive: true });
  // So the package's own name leads to the built files.
  for (const name of ['dist', 'node_modules', 'package.json'])
    await symlink(join(ROOT, name), join(project, name));
  for (const { page, line, language, code, file } of blocks) {
    const path = join(project, 'pages', page, file ?? `${line}.${language}`);
    const head = (file === undefined ? '' : '// @ts-nocheck') + '\n'.repeat(line);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${head}${code}export {};\n`);
  }
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [compiler, '-p', project, '--pretty', 'false'];
  const { stdout, stderr } = await execute(process.execPath, args, { cwd: project });
  const messages = `${stdout}${stderr}`.replace(/^pages\//gm, '').split('\n');
  return messages.filter((message) => message !== '');
}
