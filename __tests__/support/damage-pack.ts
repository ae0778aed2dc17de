import { chmod, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Inverts a byte in the middle of the only pack of the only mirror below a data directory.
 *
 * @returns inverts it back.
 */
export async function damagePack(dataDir: string): Promise<() => Promise<void>> {
  const names = await readdir(join(dataDir, 'mirrors'), { recursive: true });
  const [pack, ...others] = names.filter((name) => name.endsWith('.pack'));
  if (pack === undefined || others.length > 0) throw new Error('there is not one pack');
  const path = join(dataDir, 'mirrors', pack);
  await chmod(path, 0o644);
  const invert = async () => {
    const file = await open(path, 'r+');
    try {
      const position = Math.floor((await file.stat()).size / 2);
      const byte = Buffer.alloc(1);
      await file.read(byte, 0, 1, position);
      await file.write(Buffer.of(byte.readUInt8() ^ 0xff), 0, 1, position);
    } finally {
      await file.close();
    }
  };
  await invert();
  return invert;
}
