import { parseBundleHeader } from '../../lib/git/bundle-header.js';

const [A, B] = ['a'.repeat(40), 'b'.repeat(40)];

test.each(['# v2 git bundle', '# v3 git bundle\n@object-format=sha1'])(
  'The header %j is read, with comments of prerequisites and spaces in names',
  (signature) => {
    const text = `${signature}\n-${A} a comment\n-${B}\n${A} refs/heads/main\n${B} HEAD`;
    expect(parseBundleHeader(text)).toEqual({
      prerequisites: [A, B],
      refs: [
        { oid: A, name: 'refs/heads/main' },
        { oid: B, name: 'HEAD' },
      ],
    });
  },
);

test.each([
  '',
  '<html>',
  '# v4 git bundle',
  '# v3 git bundle\n@object-format=sha256',
  '# v3 git bundle\n@filter=blob:none',
  `# v2 git bundle\n@object-format=sha1`,
  `# v2 git bundle\n${A}`,
  `# v2 git bundle\n${A.slice(1)} refs/heads/main`,
  '# v2 git bundle\n',
])('The header %j is refused', (text) => expect(parseBundleHeader(text)).toBeUndefined());
