import type { Assignment } from './attribute-file.js';
import type { AttributePattern } from './attribute-pattern.js';
import { type AttributeSteps, STEPS_PER_SEARCH } from './attribute-steps.js';

export interface AttributeRule {
  /** In its file: later rules override earlier ones. */
  readonly position: number;
  readonly pattern: AttributePattern;
  readonly assignments: readonly Assignment[];
}

/** A file's name. Keeps the ends that were needed. */
export class FileName {
  readonly name: string;
  readonly #ends: string[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** The last bytes; `undefined` if it has fewer. */
  end(length: number): string | undefined {
    if (length > this.name.length) return undefined;
    this.#ends[length] ??= this.name.slice(-length);
    return this.#ends[length];
  }
}

/** Rules for the files below one folder, by the ends of names: few rules are tried with a file. */
export class AttributeTable {
  // Made only when needed: there may be as many tables as rules.
  #byName: Map<string, AttributeRule[]> | undefined;
  #byEnding: Map<string, AttributeRule[]> | undefined;
  /** The lengths of the keys of `#byEnding`, each once. */
  readonly #endingLengths: number[] = [];
  /** The rules whose pattern ends with a wildcard. */
  readonly #others: AttributeRule[] = [];

  add(rule: AttributeRule): void {
    const { ending, isWhole } = rule.pattern;
    if (ending === '') {
      this.#others.push(rule);
    } else if (isWhole) {
      this.#byName = withRule(ending, rule, this.#byName);
    } else {
      this.#byEnding = withRule(ending, rule, this.#byEnding);
      if (!this.#endingLengths.includes(ending.length)) this.#endingLengths.push(ending.length);
    }
  }

  /** Adds to `found`, in any order, the rules that match. @throws SnapshotError `LIMIT_EXCEEDED` */
  collect(path: string, file: FileName, steps: AttributeSteps, found: AttributeRule[]): void {
    steps.take(STEPS_PER_SEARCH * (1 + this.#endingLengths.length));
    const add = (rules: readonly AttributeRule[] | undefined) => {
      if (rules === undefined) return;
      steps.take(STEPS_PER_SEARCH * rules.length);
      for (const rule of rules) {
        if (rule.pattern.matches?.(path, steps) ?? true) found.push(rule);
      }
    };
    add(this.#byName?.get(file.name));
    for (const length of this.#endingLengths) {
      const end = file.end(length);
      if (end !== undefined) add(this.#byEnding?.get(end));
    }
    add(this.#others);
  }
}

function withRule(key: string, rule: AttributeRule, rules = new Map<string, AttributeRule[]>()) {
  const same = rules.get(key);
  if (same === undefined) rules.set(key, [rule]);
  else same.push(rule);
  return rules;
}
