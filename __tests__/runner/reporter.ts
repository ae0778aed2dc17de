import type { AggregatedResult, Test, TestResult } from '@jest/reporters';
import { installCommand } from './programs.js';
import { nameOf, skippedSuites } from './runner.js';

/** How many of the slowest suites are listed. */
const SLOWEST = 10;

/**
 * Prints a line with the time of each suite; then the slowest suites, the count of tests, and the suites that were
 * skipped because a program is missing. On a terminal the suites that pass share one line, so that the output of a
 * run without failures fits a screen.
 */
export default class Reporter {
  readonly #times: { readonly name: string; readonly seconds: number }[] = [];
  readonly #startedAt = performance.now();
  readonly #isTerminal = process.stdout.isTTY === true;
  #isComplete = false;
  #error: Error | undefined;

  constructor() {
    // Node ends a process that has nothing more to wait for, with code 0, whatever it was about to do.
    process.once('exit', () => {
      if (this.#isComplete) return;
      this.#say('The run ended before all suites had run.');
      process.exitCode = 1;
    });
  }

  onTestResult(_: Test, { testFilePath, ...result }: TestResult, total: AggregatedResult): void {
    const name = nameOf(testFilePath);
    const seconds = result.perfStats.runtime / 1000;
    this.#times.push({ name, seconds });
    const tests = result.numPassingTests + result.numFailingTests;
    const count = `${String(tests).padStart(5)} ${tests === 1 ? 'test ' : 'tests'}`;
    const line = `${name.padEnd(46)} ${count} ${inSeconds(seconds)}`;
    if (result.numFailingTests > 0 || result.testExecError) {
      this.#say(`FAILED ${line}\n${failureOf(result)}`);
    } else if (this.#isTerminal) {
      const done = `${total.numPassedTestSuites + total.numFailedTestSuites} of ${total.numTotalTestSuites}`;
      process.stdout.write(`\r\u001b[K${done}  ${line}`);
    } else {
      this.#say(line);
    }
  }

  onRunComplete(_: unknown, { numPassedTests, numFailedTests, ...total }: AggregatedResult): void {
    this.#isComplete = true;
    const slowest = this.#times.sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
    this.#say('\nThe slowest suites:');
    for (const { name, seconds } of slowest) this.#say(`${inSeconds(seconds)}  ${name}`);
    const minutes = (performance.now() - this.#startedAt) / 60_000;
    this.#say(`\n${countOf(this.#times.length, 'suite')} in ${minutes.toFixed(1)} minutes`);
    // Other programs look for this form.
    this.#say(
      `${numPassedTests} passed, ${numFailedTests + total.numRuntimeErrorTestSuites} failed`,
    );
    this.#saySkipped();
  }

  /** jest calls this at the end: an error fails the run. */
  getLastError(): Error | undefined {
    return this.#error;
  }

  #saySkipped(): void {
    const missing = new Set([...skippedSuites.values()].flat());
    if (missing.size === 0) return;
    this.#say(`\nSkipped, for want of programs: ${countOf(skippedSuites.size, 'suite')}`);
    for (const program of missing) {
      const suites = [...skippedSuites].filter(([, lacks]) => lacks.includes(program));
      const names = suites.map(([name]) => name).join(' ');
      this.#say(`- ${program}: ${names}\n    ${installCommand(program)}`);
    }
    this.#say('All of them at once, on Debian: npm run test:setup');
    if (process.env.CI === 'true') {
      this.#error = new Error(`programs are missing: ${[...missing].join(', ')}`);
    }
  }

  #say(text: string): void {
    process.stdout.write(`${this.#isTerminal ? '\r\u001b[K' : ''}${text}\n`);
  }
}

function failureOf({ failureMessage, testExecError }: Partial<TestResult>): string {
  return failureMessage || (testExecError?.stack ?? testExecError?.message ?? '');
}

function inSeconds(seconds: number): string {
  return `${seconds.toFixed(1).padStart(6)} s`;
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
