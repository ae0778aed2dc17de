const SECTION = /^\[([A-Za-z0-9-]+)(?: "((?:[^"\\\0]|\\["\\])*)")?\]$/;
/** Every backslash begins an escape, so that no value continues on the next line. */
const SETTING = /^\t([A-Za-z][A-Za-z0-9-]*) = (?:[^\\\0]|\\["\\tnb])*$/;

/**
 * The keys that a config file (bytes as latin1) sets: `core.bare`, `branch.main.remote`. Section
 * and name are in lower case, as git ignores their case.
 *
 * @returns `undefined` for a file that git does not write by itself: with comments, settings before
 * a section or without a value, continued lines, or a section and a setting on one line. `ConfigFile`
 * reads such files; here nothing may be left that git could read in another way.
 */
export function configKeys(text: string): string[] | undefined {
  const keys: string[] = [];
  const lines = text.split('\n');
  if (lines.pop() !== '') return undefined;
  let section: string | undefined;
  for (const line of lines) {
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
