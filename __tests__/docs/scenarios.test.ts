/**
 * @one-node-version
 */
import { readdir } from 'node:fs/promises';
import { readTables } from './markdown.js';

const FOLDER = '__tests__/scenarios';

test('The index of scenarios lists every suite of the folder once', async () => {
  const rows = (await readTables(`${FOLDER}/README.md`)).flatMap((table) => table.rows);
  const listed = rows.map(([link = '']) => /^\[(.+)\]\(\1\.test\.ts\)$/.exec(link)?.[1] ?? link);
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith('.test.ts'));
  expect(listed.sort()).toEqual(files.map((name) => name.replace('.test.ts', '')).sort());
});
