import { isDamage, systemCode } from '../../errors.js';
import type { RevisionAt } from '../mirror.js';
import { isOutdated } from './revision-file.js';

/**
 * Whether work on a revision failed because something that it names was removed by another process, which
 * has published another revision since, or has removed the mirror.
 */
export async function wasOvertaken(
  { directory, revision }: RevisionAt,
  error: unknown,
): Promise<boolean> {
  return (
    (isDamage(error) || systemCode(error) === 'ENOENT') && (await isOutdated(directory, revision))
  );
}
