import { readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';

/** A table of a page: its cells by row, and the heading that it stands below. */
export interface Table {
  /** Without backticks and `#`. */
  readonly heading: string;
  readonly rows: readonly (readonly string[])[];
}

const ROOT = process.cwd();

/** @param page path from the project's root. */
export async function readPage(page: string): Promise<string> {
  return await readFile(join(ROOT, page), 'utf8');
}

/** All tables of a page, without their head rows. */
export async function readTables(page: string): Promise<Table[]> {
  const tables: { heading: string; rows: string[][] }[] = [];
  let heading = '';
  let inTable = false;
  for (const line of withoutCode(await readPage(page)).split('\n')) {
    const title = /^#+ (.*)$/.exec(line)?.[1];
    if (title !== undefined) heading = title.replaceAll('`', '');
    if (!line.startsWith('|')) inTable = false;
    else if (/^\|[ |-]+\|$/.test(line) && line.includes('---')) {
      tables.push({ heading, rows: [] });
      inTable = true;
    } else if (inTable) {
      const cells = line.split('|').slice(1, -1);
      tables.at(-1)?.rows.push(cells.map((cell) => cell.trim()));
    }
  }
  return tables;
}

/** The table below a heading. */
export async function readTable(page: string, heading: string): Promise<Table> {
  const table = (await readTables(page)).find((one) => one.heading === heading);
  if (table === undefined) throw new Error(`${page} has no table below ${heading}`);
  return table;
}

/** The texts in backticks. */
export function codeSpans(cell: string): string[] {
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, code = '']) => code);
}

/** The code blocks of a page in one of these languages. */
export function codeBlocks(text: string, languages: readonly string[]): string[] {
  const blocks = text.matchAll(/^```(\w*)\n(.*?)^```$/gms);
  return Array.from(blocks).flatMap(([, language = '', code = '']) =>
    languages.includes(language) ? [code] : [],
  );
}

/** The targets of all links, other than those to other sites. */
export function localLinks(text: string): string[] {
  const links = withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g);
  return Array.from(links, ([, link = '']) => link).filter((link) => !link.startsWith('https://'));
}

/** The path from the project's root to which a link of a page leads. */
export function targetOf(link: string, page: string): string {
  const [path = ''] = link.split('#');
  return path === '' ? page : normalize(join(dirname(page), path));
}

export function withoutCode(text: string): string {
  return text.replace(/^```.*?^```$/gms, '');
}
