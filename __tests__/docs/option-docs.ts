import { readPage } from './markdown.js';

/** An option of an interface, as an editor shows it. */
export interface OptionDocs {
  readonly name: string;
  readonly isOptional: boolean;
  /** The docblock without its tags, as one line. */
  readonly text: string;
  /** The text of its `@default`. */
  readonly byDefault: string;
}

/** @param file path from the project's root. */
export async function optionDocs(file: string, interfaceName: string): Promise<OptionDocs[]> {
  const source = await readPage(file);
  const body = new RegExp(`^export interface ${interfaceName} \\{\\n(.*?)^\\}$`, 'ms').exec(source);
  if (body?.[1] === undefined) throw new Error(`${file} has no interface ${interfaceName}`);
  const members = body[1].matchAll(/^ {2}(?:\/\*\*(.*?)\*\/\n {2})?readonly (\w+)(\?)?:.*?;$/gms);
  return Array.from(members, ([, docblock = '', name = '', optional]) => {
    const plain = docblock.replace(/^\s*\* ?/gm, '').trim();
    const [text = '', byDefault = ''] = plain.split(/^@default /m).map(oneLine);
    return { name, isOptional: optional !== undefined, text, byDefault };
  });
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
