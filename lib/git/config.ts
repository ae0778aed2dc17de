/** A value as git-config(1) reads it back unchanged. Values hold no line breaks or NULs. */
export function quoteConfigValue(value: string): string {
  const escaped = value.replace(/[\\"]/g, '\\$&').replace(/\t/g, '\\t');
  return /^\s|\s$|[;#]/.test(value) ? `"${escaped}"` : escaped;
}

const SECTION = /^\[([A-Za-z0-9-]+)(?: "((?:[^"\\\0]|\\["\\])*)")?\]$/;
/** Every backslash is of an escape, so that a value never goes on in the next line. */
const SETTING = /^\t([A-Za-z][A-Za-z0-9-]*) = (?:[^\\\0]|\\["\\tnb])*$/;

/**
 * The keys that a config file sets: `core.bare`, `branch.main.remote`. Section and name are in lower case, as they
 * count for git; the subsection is as it stands in the file.
 *
 * @param text bytes as latin1.
 * @returns `undefined` for what git does not write by itself: comments, includes without a section, settings without
 * a value, lines that go on, several things in a line.
 */
export function configKeys(text: string): string[] | undefined {
  const keys: string[] = [];
  let section: string | undefined;
  if (text === '') return keys;
  if (!text.endsWith('\n')) return undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const [isSection, name = '', subsection] = SECTION.exec(line) ?? [];
    if (isSection !== undefined) {
      section = name.toLowerCase() + (subsection === undefined ? '' : `.${subsection}`);
      continue;
    }
    const [, key] = SETTING.exec(line) ?? [];
    if (key === undefined || section === undefined) return undefined;
    keys.push(`${section}.${key.toLowerCase()}`);
  }
  return keys;
}
