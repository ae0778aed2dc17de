import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { execute } from '../support/run.js';
import { extractTarball } from './packed-package.js';

const ROOT = process.cwd();

/** Path of the compiler by its version. */
const COMPILERS = {
  '5.4': join(ROOT, 'node_modules', 'typescript5.4', 'lib', 'tsc.js'),
  newest: join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'),
};

/** Options of the strictest users. */
const STRICT = {
  target: 'ES2022',
  lib: ['ES2022'],
  types: ['node'],
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  // The compiler's own declarations, which take a third of the time.
  skipDefaultLibCheck: true,
  esModuleInterop: true,
  noEmit: true,
};

export type Compiler = keyof typeof COMPILERS;
export type Resolution = 'node16' | 'nodenext' | 'bundler';

export interface Compilation {
  /** Messages of the compiler. */
  readonly errors: readonly string[];
  /** All files of the program, without those of the compiler, from the project's directory. */
  readonly files: readonly string[];
}

/**
 * Installs the package into an empty project for the compiler, without its dependencies: so no
 * declaration of ours that imports one compiles.
 *
 * @param links names of packages → where they are in `node_modules` here.
 */
export async function makeConsumer(
  tarball: string,
  project: string,
  links: Readonly<Record<string, string>>,
): Promise<void> {
  const modules = join(project, 'node_modules');
  await extractTarball(tarball, join(modules, 'express-git-snapshot'));
  for (const [name, target] of Object.entries(links)) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(ROOT, 'node_modules', target), join(modules, name));
  }
  await writeFile(join(project, 'package.json'), '{"type":"module"}\n');
}

/** Compiles a program of these files of a project. */
export async function compile(
  project: string,
  compiler: Compiler,
  resolution: Resolution,
  files: readonly string[],
): Promise<Compilation> {
  const lines = await runCompiler(project, compiler, resolution, files, '--listFiles');
  return {
    errors: lines.filter((line) => !isFile(line)),
    files: lines.filter(isFile).map((file) => relative(project, file)),
  };
}

/** Lists the files of a program as `compile` does, without checking types: in half the time. */
export async function listFiles(project: string, files: readonly string[]): Promise<string[]> {
  const lines = await runCompiler(project, 'newest', 'nodenext', files, '--listFilesOnly');
  return lines.filter(isFile).map((file) => relative(project, file));
}

async function runCompiler(
  project: string,
  compiler: Compiler,
  resolution: Resolution,
  files: readonly string[],
  list: '--listFiles' | '--listFilesOnly',
): Promise<string[]> {
  const module = resolution === 'bundler' ? 'esnext' : resolution;
  const compilerOptions = { ...STRICT, module, moduleResolution: resolution };
  const config = join(project, 'tsconfig.json');
  await writeFile(config, JSON.stringify({ compilerOptions, files }));
  const args = [COMPILERS[compiler], '-p', config, list, '--pretty', 'false'];
  const { stdout, stderr } = await execute(process.execPath, args, { cwd: project });
  return `${stdout}${stderr}`.trimEnd().split('\n');
}

function isFile(line: string): boolean {
  return line.startsWith(sep);
}
