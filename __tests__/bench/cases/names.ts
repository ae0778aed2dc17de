export const CASE_NAMES = [
  'index',
  'cold',
  'generate',
  'refresh',
  'bootstrap',
  'hit',
  'metrics',
  's3',
  'restore',
  'host',
  'memory',
  'scale',
] as const;

export type CaseName = (typeof CASE_NAMES)[number];

/** `scale` takes long, and has repositories of its own; `s3` needs a server. */
export const DEFAULT_CASES = CASE_NAMES.filter((name) => name !== 'scale' && name !== 's3');

export function isCaseName(name: string): name is CaseName {
  return CASE_NAMES.some((one) => one === name);
}
