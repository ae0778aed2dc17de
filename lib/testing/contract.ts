/** `test` of jest, vitest, mocha (`it`) or node:test. */
export type RegisterTest = (name: string, run: () => Promise<void>) => unknown;

/** The tests of a contract, by name. Each one gets its own instance. */
export type ContractCases<Subject> = Readonly<Record<string, (subject: Subject) => Promise<void>>>;

/** Registers each case as a test that makes its subject and always cleans up after it. */
export function registerCases<Subject>(
  test: RegisterTest,
  cases: ContractCases<Subject>,
  make: () => Subject | Promise<Subject>,
  cleanUp: (subject: Subject) => Promise<void>,
): void {
  for (const [name, run] of Object.entries(cases)) {
    test(name, async () => {
      const subject = await make();
      try {
        await run(subject);
      } finally {
        await cleanUp(subject);
      }
    });
  }
}
