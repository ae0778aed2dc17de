import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';

/** A line for each entry at and below a directory: kind, mode, time, content; sorted by name. */
export async function describeTree(root: string): Promise<string[]> {
  const lines: string[] = [];
  const visit = async (name: string): Promise<void> => {
    const place = Buffer.from(`${root}/${name}`, 'latin1');
    const { mode, mtimeMs, size } = await lstat(place);
    const kind = (mode & 0o170000).toString(8);
    const line = `${JSON.stringify(name)} ${kind} ${(mode & 0o7777).toString(8)} ${mtimeMs / 1000}`;
    if (kind === '40000') {
      lines.push(line);
      const names = await readdir(place, { encoding: 'buffer' });
      for (const child of names) await visit(`${name}/${child.toString('latin1')}`);
    } else if (kind === '120000') {
      const target = await readlink(place, { encoding: 'buffer' });
      lines.push(`${line} → ${JSON.stringify(target.toString('latin1'))}`);
    } else {
      const hash = createHash('sha256').update(await readFile(place));
      lines.push(`${line} ${size} ${hash.digest('hex')}`);
    }
  };
  await visit('.');
  return lines.sort();
}
