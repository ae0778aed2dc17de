import { seededBytes } from './random.js';
import type { FileChange, Files } from './repository-builder.js';

const link = (target: string): FileChange => ({ mode: '120000', content: target });
const executable = (content: string): FileChange => ({ mode: '100755', content });

/** The commit that the submodule names; nobody has it. */
export const SUBMODULE_COMMIT = '0123456789abcdef0123456789abcdef01234567';

const LONG_COMPONENT = 'component-'.repeat(25).slice(0, 245);

const links: Files = {
  'links/file': link('../README.md'),
  'links/directory': link('../deep'),
  'links/dangling': link('no/such/file'),
  'links/absolute': link('/etc/hostname'),
  'links/beyond-the-root': link('../../../outside'),
  'links/one-hundred': link('t'.repeat(100)),
  'links/long-target': link(`${'up/and/down/'.repeat(20)}end`),
  'links/ünïcode → arrow': link('../名前/ファイル.txt'),
};

const modes: Files = {
  'bin/tool.sh': executable('#!/bin/sh\necho tool\n'),
  'bin/empty-tool': executable(''),
  'empty.txt': '',
  'vendor/module': { mode: '160000', content: SUBMODULE_COMMIT },
  '.gitmodules':
    '[submodule "vendor/module"]\n\tpath = vendor/module\n\turl = https://example.com/module.git\n',
  '.gitignore': 'ignored/\n*.log\n',
  'ignored/but-tracked.txt': 'tracked\n',
  'build.log': 'tracked although ignored\n',
};

/** Files to leave as they are, although git has files of such names of its own. */
const lockFiles: Files = {
  'package-lock.json': '{ "lockfileVersion": 3 }\n',
  'Gemfile.lock': 'GEM\n  specs:\n',
  'cache/index.lock': 'a file of the user\n',
  'cache/config': 'a file of the user\n',
  'cache/HEAD': 'a file of the user\n',
};

/** Every name that a shell, a tar header or a naive path split gets wrong. */
const names: Files = Object.fromEntries(
  [
    'with space.txt',
    ' leading and trailing ',
    'with "double" quotes',
    "with 'single' quotes",
    'with\nnewline',
    'with\ttab',
    'with\u0001control',
    'with\\backslash',
    'with:colon',
    'with*star?[a-z]',
    '$(echo no)`no`$HOME',
    '%2e%2e%2f',
    '#hash',
    '~tilde',
    '@{u}',
    '-rf',
    '--help',
    '.hidden',
    '...',
    'con.txt',
    'NUL',
    'README',
    'readme',
    'git',
    'gitignore',
    // "é" as one code point and as two: two files.
    'caf\u00e9-nfc.txt',
    'cafe\u0301-nfd.txt',
    'same-\u00e9',
    'same-e\u0301',
    '名前',
    '🚀 emoji 👩‍👩‍👧',
    'ab\u200dc-joiner',
    // The lengths at which ustar names end: 100, a prefix of 155, 256 in all.
    'n'.repeat(99),
    'n'.repeat(100),
    'n'.repeat(101),
    'n'.repeat(255),
    // Trees and the index sort directories differently.
    'sort-a',
    'sort.b',
    'sort0',
    'sort/inner',
    'sort/inner-a',
  ].map((name, i) => [`names/${name}`, `${i}\n`]),
);

const paths: Files = {
  '名前/ファイル.txt': 'こんにちは\n',
  [`${'d'.repeat(155)}/${'f'.repeat(100)}`]: 'fits ustar\n',
  [`${'d'.repeat(156)}/${'f'.repeat(100)}`]: 'does not fit ustar\n',
  [`long/${LONG_COMPONENT}/${LONG_COMPONENT}.txt`]: 'over 300 bytes\n',
  [`long/${'é'.repeat(120)}/${'日本'.repeat(20)}.txt`]: 'over 300 bytes, not ASCII\n',
  [`deep/${Array.from({ length: 60 }, (_, i) => `level-${i}`).join('/')}/file.txt`]: 'deep\n',
};

const attributes: Files = {
  '.gitattributes': [
    '[attr]windows text eol=crlf',
    '*.crlf text eol=crlf',
    '*.lf text eol=lf',
    '*.auto text=auto',
    '*.auto-crlf text=auto eol=crlf',
    '*.id ident',
    '*.id-crlf ident text eol=crlf',
    '*.utf16 text working-tree-encoding=UTF-16',
    '*.utf16le-bom text working-tree-encoding=UTF-16LE-BOM',
    '*.utf16be text working-tree-encoding=UTF-16BE eol=crlf',
    '*.latin1 text working-tree-encoding=ISO-8859-1',
    '*.bin binary',
    '*.bat windows',
    '*.lfs filter=lfs diff=lfs merge=lfs -text',
    '"attributes/quoted name.txt" text eol=crlf',
    'attributes/nested/** text eol=crlf',
    'attributes/un*/*.txt eol=crlf',
    '*.txt export-subst export-ignore',
    '',
  ].join('\n'),
  'attributes/windows.crlf': 'one\ntwo\nthree\n',
  'attributes/no-last-newline.crlf': 'one\ntwo',
  'attributes/unix.lf': 'one\ntwo\n',
  'attributes/text.auto': 'one\ntwo\n',
  'attributes/text.auto-crlf': 'one\ntwo\n',
  // With text=auto git converts none of these: they do not look like LF text.
  'attributes/zeros.auto-crlf': 'one\n\0two\n',
  'attributes/lone-cr.auto-crlf': 'one\rtwo\nthree\n',
  'attributes/has-crlf.auto-crlf': 'one\r\ntwo\r\n',
  'attributes/mixed.auto-crlf': 'one\r\ntwo\nthree\r\n',
  'attributes/ident.id': 'before $Id$ and $Id$ after\n$Idea$ $Id: unterminated\n$id$ Id$\n',
  'attributes/ident.id-crlf': '$Id$\nsecond line\n',
  'attributes/encoded.utf16': 'Grüße, 世界 🚀\nsecond line\n',
  'attributes/encoded.utf16le-bom': 'Grüße, 世界 🚀\nsecond line\n',
  'attributes/encoded.utf16be': 'Grüße, 世界 🚀\nsecond line\n',
  'attributes/encoded.latin1': 'Grüße\n',
  'attributes/empty.utf16': '',
  'attributes/image.bin': Buffer.from('\r\n\n\r\0\n$Id$\n', 'latin1'),
  'attributes/start.bat': '@echo off\necho hello\n',
  'attributes/pointer.lfs': `version https://git-lfs.github.com/spec/v1\noid sha256:${'ab'.repeat(32)}\nsize 12345\n`,
  'attributes/quoted name.txt': 'one\ntwo\n',
  'attributes/nested/by-parent.txt': 'one\ntwo\n',
  'attributes/nested/.gitattributes':
    '*.txt -text\n*.both !eol text\nlf/** eol=lf\n*.off -windows\n',
  'attributes/nested/overridden.txt': 'one\ntwo\n',
  'attributes/nested/plain.both': 'one\ntwo\n',
  'attributes/nested/lf/by-grandparent.c': 'one\ntwo\n',
  'attributes/nested/lf/.gitattributes': '*.c eol=crlf\n',
  'attributes/nested/macro.off': 'one\ntwo\n',
  'attributes/unmatched/deeper/one.txt': 'one\ntwo\n',
  'attributes/unmatched/one.txt': 'one\ntwo\n',
};

const lineEnds: Files = {
  'lines/crlf-in-repository.txt': 'one\r\ntwo\r\n',
  'lines/mixed.txt': 'one\r\ntwo\nthree\rfour\n',
  'lines/byte-order-mark.txt': '\ufeffone\n',
};

/** @param largeBytes size of each of the two large files. */
export function kitchenSinkFiles(largeBytes: number): Files {
  const line = 'All work and no play makes a dull blob.\n';
  return {
    'README.md': '# Kitchen sink\n',
    ...links,
    ...modes,
    ...lockFiles,
    ...names,
    ...paths,
    ...attributes,
    ...lineEnds,
    'large/noise.dat': seededBytes('kitchen sink', largeBytes),
    'large/repeated.txt': line.repeat(Math.ceil(largeBytes / line.length)),
  };
}
