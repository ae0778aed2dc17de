import type { Settings } from '../command-line.js';
import type { Fit } from '../measure/fit.js';
import type { Result } from '../measure/result.js';
import type { Machine } from './machine.js';

/** All that `--json` prints. */
export interface Report {
  readonly machine: Machine;
  readonly settings: Settings;
  readonly results: readonly Result[];
  /** Of `scale`. */
  readonly fits: readonly Fit[];
}
