export const CASE_NAMES = [
  'index',
  'cold',
  'generate',
  'refresh',
  'hit',
  'restore',
  'host',
  'memory',
  'scale',
] as const;

export type CaseName = (typeof CASE_NAMES)[number];

/** `scale` takes long, and has repositories of its own. */
export const DEFAULT_CASES = CASE_NAMES.filter((name) => name !== 'scale');

export function isCaseName(name: string): name is CaseName {
  return CASE_NAMES.some((one) => one === name);
}
