import { readPage } from './markdown.js';

/** A fenced block of a page. */
export interface CodeBlock {
  /** The path of the page from the project's root. */
  readonly page: string;
  /** The line of the page with its opening fence, from 1. */
  readonly line: number;
  /** The text after the opening fence, such as `js`. */
  readonly language: string;
  readonly code: string;
  /** The name of the file that it shows, from a comment above it: `<!-- file: map-store.js -->`. */
  readonly file: string | undefined;
}

const FENCE = /^ *(?:```|~~~)/gm;
const BLOCK = /^(?:<!-- file: (\S+) -->\n)?( *)```([^\n]*)\n(.*?)^\2```$/gms;

/** All fenced blocks of a page, in their order, without the indentation of their fences. */
export async function codeBlocksOf(page: string): Promise<CodeBlock[]> {
  const text = await readPage(page);
  const blocks = Array.from(text.matchAll(BLOCK), (match) => {
    const [, file, indentation = '', language = '', code = ''] = match;
    const line = text.slice(0, text.indexOf('```', match.index)).split('\n').length;
    const lines = code.split('\n').map((each) => each.slice(indentation.length));
    return { page, line, language, code: lines.join('\n'), file };
  });
  const fences = text.match(FENCE) ?? [];
  if (fences.length !== 2 * blocks.length) throw new Error(`${page} has a block without an end`);
  return blocks;
}
