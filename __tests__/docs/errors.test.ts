/**
 * @one-node-version
 */
import { exitCodeOf } from '../../lib/command/exit-codes.js';
import { ERROR_CODES, type SnapshotErrorCode } from '../../lib/error-codes.js';
import { SnapshotError } from '../../lib/errors.js';
import { codeBlocks, codeSpans, readPage, readTable, withoutCode } from './markdown.js';

const PAGE = 'docs/errors.md';
const TROUBLESHOOTING = 'docs/troubleshooting.md';

test('The page of errors lists every error code once', async () => {
  const documented = [...(await rows('Of the server')), ...(await rows('Of the restore client'))];
  expect(documented.map(([code]) => code).sort()).toEqual([...ERROR_CODES].sort());
});

test('The page of errors gives each code the status that the server sends', async () => {
  for (const [code, status] of await rows('Of the server')) {
    expect([code, status]).toEqual([code, String(new SnapshotError(code, '').httpStatus)]);
  }
});

test('The page of errors says which codes are transient', async () => {
  for (const [code, , transient] of await rows('Of the server')) {
    expect([code, transient === 'yes']).toEqual([code, new SnapshotError(code, '').isTransient]);
  }
  for (const [code, transient] of await rows('Of the restore client')) {
    expect([code, /^yes\b/.test(transient)]).toEqual([
      code,
      new SnapshotError(code, '').isTransient,
    ]);
  }
});

test('Every code of the restore client would be sent with status 500', async () => {
  for (const [code] of await rows('Of the restore client'))
    expect(new SnapshotError(code, '').httpStatus).toBe(500);
});

test('The page of troubleshooting says of every code what to do', async () => {
  const codes = codeSpans(withoutCode(await readPage(TROUBLESHOOTING)));
  expect(ERROR_CODES.filter((code) => !codes.includes(code))).toEqual([]);
});

test('The page of troubleshooting gives each code of a restore the exit code of the command', async () => {
  const heading = 'restoreSnapshot and npx express-git-snapshot restore';
  const table = await readTable(TROUBLESHOOTING, heading);
  const codes = (await rows('Of the restore client')).map(([code]) => code);
  expect(table.rows.map(([code = '']) => codeSpans(code)[0]).sort()).toEqual(codes.sort());
  for (const [cell = '', exitCode] of table.rows) {
    const code = codes.find((one) => one === codeSpans(cell)[0]);
    // A failed download has one by its status.
    if (code === undefined || code === 'DOWNLOAD_FAILED') continue;
    expect([code, exitCode]).toEqual([code, String(exitCodeOf(new SnapshotError(code, '')))]);
  }
});

test('The page of errors shows a problem document as the server sends it', async () => {
  const [example = ''] = codeBlocks(await readPage(PAGE), ['json']);
  const { code, title, status } = JSON.parse(example);
  expect(title).toBe(new SnapshotError(code, '').clientText);
  expect(status).toBe(new SnapshotError(code, '').httpStatus);
});

async function rows(heading: string): Promise<[SnapshotErrorCode, string, string][]> {
  const table = await readTable(PAGE, heading);
  return table.rows.map(([first = '', second = '', third = '']) => {
    const code = ERROR_CODES.find((one) => one === codeSpans(first)[0]);
    if (code === undefined) throw new Error(`${first} is not a code`);
    return [code, second, third];
  });
}
