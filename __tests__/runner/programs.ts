import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program that suites need and that not every machine has. */
interface Program {
  /** The commands that must all be on the PATH. */
  readonly commands: readonly string[];
  /** The packages of Debian and its relatives that install them. */
  readonly packages: readonly string[];
  /** For a program without a package: the module that `go install` takes. */
  readonly go?: string;
  /** The same, for `pip install`. */
  readonly pip?: string;
  /** Whether only suites of `npm run test:hosts` need it. */
  readonly hosts?: boolean;
}

/** The programs by the names that suites use, as in `@needs redis`. `.ci/setup` installs them from the same file. */
export const PROGRAMS: Readonly<Record<string, Program>> = JSON.parse(
  readFileSync('__tests__/runner/programs.json', 'utf8'),
);

/** The tags in the comment at the start of a suite. */
export interface Declaration {
  /** `@needs a b`: the programs that the suite needs, by their names in `PROGRAMS`. */
  readonly needs: readonly string[];
  /** `@one-node-version`: its outcome is the same on all versions of Node, so that CI runs it on one of them. */
  readonly oneNodeVersion: boolean;
}

/** @throws Error when the suite needs a program that is not in `PROGRAMS`. */
export function declarationOf(sourceFile: string): Declaration {
  const [comment = ''] = /^\/\*\*.*?\*\//s.exec(readFileSync(sourceFile, 'utf8')) ?? [];
  const needs = (/@needs ([a-z ]+)/.exec(comment)?.[1] ?? '').split(' ').filter(Boolean);
  const unknown = needs.find((name) => !Object.hasOwn(PROGRAMS, name));
  if (unknown !== undefined) throw new Error(`${sourceFile} needs an unknown program: ${unknown}`);
  return { needs, oneNodeVersion: comment.includes('@one-node-version') };
}

/** The command that installs a program of `PROGRAMS`. */
export function installCommand(name: string): string {
  const { packages = [], go, pip } = PROGRAMS[name] ?? {};
  if (go !== undefined) return `go install ${go}`;
  return pip === undefined ? `apt-get install ${packages.join(' ')}` : `pip install '${pip}'`;
}

/** The names in `PROGRAMS` of programs that lack a command on the PATH. */
export function missingPrograms(path = process.env.PATH ?? ''): string[] {
  const folders = path.split(delimiter).filter(Boolean);
  const isThere = (command: string) =>
    folders.some((folder) => isExecutable(join(folder, command)));
  return Object.keys(PROGRAMS).filter((name) => !PROGRAMS[name]?.commands.every(isThere));
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
