import { type Bench, compare } from '../bench.js';
import type { Result } from '../measure/result.js';
import type { Repository } from '../repositories/repository.js';

/**
 * A mirror that is made of the stored snapshot, as after the loss of a disk, against one that is cloned.
 * The upstream is on this machine: over a network a clone takes longer.
 */
export async function bootstrap(bench: Bench, repository: Repository): Promise<Result[]> {
  const app = await bench.app();
  const path = await app.newPath(repository);
  const stored = async () => {
    await app.timeDownload(path);
    // Until it is in the store, which is later than its last byte.
    await app.refresh(path);
    await app.removeMirrors();
  };
  const result = await compare(bench, {
    case: 'bootstrap',
    repository,
    reference: 'clone',
    sides: {
      async ours() {
        await stored();
        return await app.mirror(path);
      },
      async clone() {
        await app.deleteSnapshot(path);
        await app.removeMirrors();
        return await app.mirror(path);
      },
    },
  });
  await app.forget(path);
  return [result];
}
