/** Whether `npm run fuzz` or `npm run stress` runs: searches are longer, from other seeds. */
const isLong = process.env.TEST_LONG === '1';

/** How many rounds a randomised search makes: a few in `npm test`, many in the scripts that search for long. */
export function rounds(few: number, many: number): number {
  return isLong ? many : few;
}

/**
 * A seed for a randomised search: always the same in `npm test`; another one each time in the scripts that
 * search for long. These print it, so that `TEST_SEED` can bring a failure back.
 */
export function seedOf(search: string): number {
  const seed = Number(process.env.TEST_SEED ?? (isLong ? Date.now() % 1e9 : 1));
  if (isLong) console.log(`${search}: TEST_SEED=${seed}`);
  return seed;
}
