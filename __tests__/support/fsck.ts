import { execute } from './run.js';

/** All that `git fsck` has to say of a repository, dangling objects included; sorted. */
export async function fsck(directory: string): Promise<string[]> {
  const args = ['fsck', '--full', '--strict', '--no-progress'];
  const { stdout, stderr } = await execute('git', args, { cwd: directory });
  return `${stdout}${stderr}`
    .split('\n')
    .filter((line) => line !== '')
    .sort();
}
