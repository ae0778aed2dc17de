/*
 * The bits of the input. Invariant: the lowest `count` bits of `bits` are input before `input`.
 * `refill` may read up to 16 bytes beyond the end of the input; no result depends on these.
 */

/** An error this near to the end of the input may come from bytes beyond it. */
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

/** Continues after a loop that had the bits in its own variables. */
export function resume(at: usize, b: u64, n: u64): void {
  input = at;
  bits = b;
  count = n;
}

/** Afterwards there are at least 56 bits. */
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

/** The position of the first unused bit, rounded down to a byte. */
export function position(): usize {
  return input - <usize>(count >> 3);
}
