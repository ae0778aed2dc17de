import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { processesOf } from './processes.js';

/** Run by jest after the last suite. @throws Error when a file or a process is left. */
export default async function afterAll(): Promise<void> {
  const { TMPDIR: directory = '', TEST_SPAWNER = '', TEST_FIXTURES = '' } = process.env;
  const own = [TEST_SPAWNER, TEST_FIXTURES].map((path) => basename(path));
  const files = (await readdir(directory)).filter((name) => !own.includes(name));
  const processes = (await processesOf(directory)).map(({ command }) => command);
  if (files.length + processes.length === 0) return;
  const content = await readdir(directory, { recursive: true });
  const left = content.filter((path) => !own.some((name) => path.startsWith(name)));
  throw new Error(`left behind: ${[...left, ...processes].join(', ')}`);
}
