import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program that suites compare with or connect to, and that not every machine has. */
interface Program {
  /** All of them must be on the PATH. */
  readonly commands: readonly string[];
  /** For Debian and its relatives. */
  readonly packages: readonly string[];
}

/** By the names that suites use: `@needs redis`. What `npm run test:setup` installs. */
export const PROGRAMS: Readonly<Record<string, Program>> = {
  bash: { commands: ['bash'], packages: ['bash'] },
  curl: { commands: ['curl'], packages: ['curl'] },
  pzstd: { commands: ['pzstd'], packages: ['zstd'] },
  redis: { commands: ['redis-server'], packages: ['redis-server'] },
  swift: {
    commands: [
      'swift-proxy-server',
      'swift-account-server',
      'swift-container-server',
      'swift-object-server',
      'memcached',
    ],
    packages: ['swift-proxy', 'swift-account', 'swift-container', 'swift-object', 'memcached'],
  },
  tar: { commands: ['tar'], packages: ['tar'] },
  zstd: { commands: ['zstd'], packages: ['zstd'] },
};

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
