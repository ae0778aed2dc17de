import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program that suites compare with or connect to, and that not every machine has. */
interface Program {
  /** All of them must be on the PATH. */
  readonly commands: readonly string[];
  /** For Debian and its relatives. */
  readonly packages: readonly string[];
}

/** By the names that suites use: `@needs redis`. `.ci/setup` reads the same file, and installs them. */
export const PROGRAMS: Readonly<Record<string, Program>> = JSON.parse(
  readFileSync('__tests__/runner/programs.json', 'utf8'),
);

/** What a suite says of itself in the comment that its file begins with. */
export interface Declaration {
  /** `@needs a b`: names of `PROGRAMS`. */
  readonly needs: readonly string[];
  /** `@one-node-version`: its outcome is the same on each, so that CI runs it on one of them. */
  readonly oneNodeVersion: boolean;
}

/** @throws Error when it needs what `PROGRAMS` does not have. */
export function declarationOf(sourceFile: string): Declaration {
  const [comment = ''] = /^\/\*\*.*?\*\//s.exec(readFileSync(sourceFile, 'utf8')) ?? [];
  const needs = (/@needs ([a-z ]+)/.exec(comment)?.[1] ?? '').split(' ').filter(Boolean);
  const unknown = needs.find((name) => !Object.hasOwn(PROGRAMS, name));
  if (unknown !== undefined) throw new Error(`${sourceFile} needs an unknown program: ${unknown}`);
  return { needs, oneNodeVersion: comment.includes('@one-node-version') };
}

/** Names of `PROGRAMS` of which a command is not on the PATH. */
export function missingPrograms(path = process.env.PATH ?? ''): string[] {
  const folders = path.split(delimiter).filter(Boolean);
  const isThere = (command: string) =>
    folders.some((folder) => isExecutable(join(folder, command)));
  return Object.keys(PROGRAMS).filter((name) => !PROGRAMS[name]?.commands.every(isThere));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
