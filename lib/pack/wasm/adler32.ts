/** The checksum of the bytes from `start` to `end` (RFC 1950, 8.2). */
export function adler32(start: usize, end: usize): u32 {
  let a: u32 = 1;
  let s: u32 = 0;
  let at = start;
  const high = i16x8(16, 15, 14, 13, 12, 11, 10, 9);
  const low = i16x8(8, 7, 6, 5, 4, 3, 2, 1);
  while (end - at >= 16) {
    const stop = at + min<usize>((end - at) & ~15, 5536);
    const n = <u32>(stop - at);
    s += a * n;
    let sums = i32x4.splat(0);
    let weighted = i32x4.splat(0);
    let before = i32x4.splat(0);
    for (; at < stop; at += 16) {
      const v = v128.load(at);
      before = i32x4.add(before, sums);
      sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(v)));
      weighted = i32x4.add(weighted, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(v), high));
      weighted = i32x4.add(weighted, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(v), low));
    }
    a += lanes(sums);
    s += lanes(weighted) + lanes(before) * 16;
    a %= 65521;
    s %= 65521;
  }
  for (; at < end; at++) {
    a += load<u8>(at);
    s += a;
  }
  return ((s % 65521) << 16) | (a % 65521);
}

function lanes(v: v128): u32 {
  return (
    i32x4.extract_lane(v, 0) +
    i32x4.extract_lane(v, 1) +
    i32x4.extract_lane(v, 2) +
    i32x4.extract_lane(v, 3)
  );
}
