import type { RegisterTest } from '../../lib/testing/index.js';

export type CollectedTests = ReadonlyMap<string, () => Promise<void>>;

/** The tests that a contract would register. */
export function collectTests(contract: (register: RegisterTest) => void): CollectedTests {
  const tests = new Map<string, () => Promise<void>>();
  contract((name, run) => {
    if (tests.has(name)) throw new Error(`two tests are named ${name}`);
    tests.set(name, run);
  });
  return tests;
}

/** Runs the named tests, or all, one after the other; gives the names of those that pass. */
export async function passing(
  tests: CollectedTests,
  names: Iterable<string> = tests.keys(),
): Promise<string[]> {
  const passed: string[] = [];
  for (const name of names) {
    const run = tests.get(name);
    if (run === undefined) throw new Error(`there is no test "${name}"`);
    await run().then(
      () => passed.push(name),
      () => undefined,
    );
  }
  return passed;
}

export function faultsIn<Fault extends string>(
  table: Readonly<Record<Fault, readonly string[]>>,
): [Fault, readonly string[]][] {
  return Object.entries(table) as [Fault, readonly string[]][];
}
