import { seededBytes } from './random.js';
import { RepositoryBuilder } from './repository-builder.js';

/** Bytes of the one file whose content does not compress. */
export const NOISE_BYTES = 300_000;
/** An offset in the pack that lies within that file. */
export const MIDDLE_OF_NOISE = 150_000;

/** Two commits of four files and a tag `v1` on `main`: 11 objects, one of which fills the pack. */
export async function buildNoisy(directory: string): Promise<void> {
  const builder = await RepositoryBuilder.create(directory);
  const first = builder.commit({
    files: { 'noise.bin': seededBytes('noise', NOISE_BYTES), 'a/b.txt': 'b\n' },
  });
  builder.tag('v1', first);
  builder.commit({ files: { 'a/c.txt': 'c\n', 'a/d.txt': 'd\n' } });
  await builder.finish();
}
