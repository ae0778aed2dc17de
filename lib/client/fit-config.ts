/**
 * Sets booleans of `core` in a config file that `configKeys` can read: as it is where it says so
 * already. A value of `true` for `filemode` and `symlinks` is git's default.
 *
 * @param text bytes as latin1.
 */
export function fitConfig(text: string, settings: ReadonlyMap<string, boolean>): string {
  const left = new Map(settings);
  const lines: string[] = [];
  let section = '';
  /** Where a new setting of `core` goes. */
  let end: number | undefined;
  for (const line of text.split('\n').slice(0, -1)) {
    if (line.startsWith('[')) section = line.toLowerCase();
    const key = section === '[core]' ? /^\t([^ ]+) = /.exec(line)?.[1]?.toLowerCase() : undefined;
    if (key === undefined || !FITTED.has(key)) lines.push(line);
    else {
      const value = left.get(key);
      left.delete(key);
      if (value !== undefined) lines.push(line.replace(/ = .*/, ` = ${value}`));
    }
    if (section === '[core]') end = lines.length;
  }
  if (left.get('filemode')) left.delete('filemode');
  const added = [...left].map(([key, value]) => `\t${key} = ${value}`);
  if (end !== undefined) lines.splice(end, 0, ...added);
  else if (added.length > 0) lines.unshift('[core]', ...added);
  return lines.map((line) => `${line}\n`).join('');
}

/** Settings that depend on the machine. Values of the archive do not count. */
const FITTED = new Set(['filemode', 'symlinks', 'ignorecase', 'precomposeunicode', 'longpaths']);
