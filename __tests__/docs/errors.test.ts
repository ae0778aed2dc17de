/**
 * @one-node-version
 */
import { ERROR_CODES, SnapshotError, type SnapshotErrorCode } from '../../lib/errors.js';
import { problemStatus } from '../../lib/http/problem.js';
import { codeBlocks, codeSpans, readPage, readTable } from './markdown.js';

const PAGE = 'docs/errors.md';

test('The page of errors has every code of the code once', async () => {
  const documented = [...(await rows('Of the server')), ...(await rows('Of the restore client'))];
  expect(documented.map(([code]) => code).sort()).toEqual([...ERROR_CODES].sort());
});

test('The page of errors has the statuses of the code', async () => {
  for (const [code, status] of await rows('Of the server')) {
    expect([code, status]).toEqual([code, String(problemStatus(code))]);
  }
});

test('A code of the restore client would be a fault of the server', async () => {
  for (const [code] of await rows('Of the restore client')) expect(problemStatus(code)).toBe(500);
});

test('The page of errors shows a body as the code makes it', async () => {
  const [example = ''] = codeBlocks(await readPage(PAGE), ['json']);
  const { code, title, status } = JSON.parse(example);
  expect(title).toBe(new SnapshotError(code, '').clientText);
  expect(status).toBe(problemStatus(code));
});

async function rows(heading: string): Promise<[code: SnapshotErrorCode, second: string][]> {
  const table = await readTable(PAGE, heading);
  return table.rows.map(([first = '', second = '']) => {
    const code = ERROR_CODES.find((one) => one === codeSpans(first)[0]);
    if (code === undefined) throw new Error(`${first} is not a code`);
    return [code, second];
  });
}
