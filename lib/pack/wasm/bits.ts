/*
 * The bits of the input. Invariant: the lowest `count` bits of `bits` are input before `input`.
 * They are filled by 8 bytes at a time, so that up to 16 bytes beyond the end of the input are
 * read; what they say is never believed.
 */

/** An error so near the end of the input may be one of bytes that are not there. */
export const MARGIN: usize = 16;

export let input: usize = 0;
export let inputEnd: usize = 0;
export let bits: u64 = 0;
export let count: u64 = 0;

export function begin(start: usize, end: usize): void {
  input = start;
  inputEnd = end;
  bits = 0;
  count = 0;
}

/** Goes on where a loop came to that had the bits in variables of its own. */
export function resume(at: usize, b: u64, n: u64): void {
  input = at;
  bits = b;
  count = n;
}

/** At least 56 bits are there after it. */
export function refill(): void {
  bits |= load<u64>(input) << count;
  input += <usize>((63 - count) >> 3);
  count |= 56;
}

export function take(n: u64): u32 {
  const value = <u32>(bits & ((1 << n) - 1));
  bits >>= n;
  count -= n;
  return value;
}

/** Of the first bit that is not used yet, rounded down to a byte's. */
export function position(): usize {
  return input - <usize>(count >> 3);
}
