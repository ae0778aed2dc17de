import { inspect } from 'node:util';

/** `test` of jest, vitest, mocha (`it`) or node:test. */
export type RegisterTest = (name: string, run: () => Promise<void>) => unknown;

/** The tests of a contract, by name. Each one gets its own instance. */
export type ContractCases<Subject> = Readonly<Record<string, Run<Subject> | NewCase<Subject>>>;

type Run<Subject> = (subject: Subject) => Promise<void>;

/**
 * A test that was added after the last major version. Its failure is a warning of the process: only
 * a major version may fail an implementation that passed before.
 */
export interface NewCase<Subject> {
  /** The version of this package that added it. */
  readonly since: string;
  readonly warns: Run<Subject>;
}

/** Registers each case as a test that makes its subject and always cleans up after it. */
export function registerCases<Subject>(
  test: RegisterTest,
  cases: ContractCases<Subject>,
  make: () => Subject | Promise<Subject>,
  cleanUp: (subject: Subject) => Promise<void>,
): void {
  for (const [name, one] of Object.entries(cases)) {
    test(name, async () => {
      const subject = await make();
      try {
        await (typeof one === 'function' ? one(subject) : warn(name, one, subject));
      } finally {
        await cleanUp(subject);
      }
    });
  }
}

async function warn<Subject>(
  name: string,
  { since, warns }: NewCase<Subject>,
  subject: Subject,
): Promise<void> {
  try {
    await warns(subject);
  } catch (error) {
    const message = `the contract demands since ${since}: ${name}. The next major version fails without it`;
    process.emitWarning(message, { type: 'ContractWarning', detail: inspect(error) });
  }
}
