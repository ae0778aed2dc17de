import fc from 'fast-check';
import { attachment } from '../../lib/http/header-fields.js';

test.each([
  ['repo.tar.zst', 'attachment; filename="repo.tar.zst"'],
  ['a b.c', 'attachment; filename="a b.c"'],
  ['é😀.x', `attachment; filename="__.x"; filename*=UTF-8''%C3%A9%F0%9F%98%80.x`],
  ['a"; x="', `attachment; filename="a_; x=_"; filename*=UTF-8''a%22%3B%20x%3D%22`],
  [`"'()*`, `attachment; filename="_'()*"; filename*=UTF-8''%22%27%28%29%2A`],
  ['100%41', `attachment; filename="100_41"; filename*=UTF-8''100%2541`],
])('A file named %s is sent with the header %s', (filename, expected) => {
  expect(attachment(filename)).toBe(expected);
});

test('Any file name stays within one header line, and can be read from it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (filename) => {
      const value = attachment(filename);
      expect(value).toMatch(/^attachment; filename="[^"\\\r\n]*"(; filename\*=UTF-8''[!-~]*)?$/);
      const extended = value.split("UTF-8''")[1];
      if (extended !== undefined) expect(decodeURIComponent(extended)).toBe(filename);
    }),
    { seed: 6266, numRuns: 1_000 },
  );
});
