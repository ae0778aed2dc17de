/**
 * @one-node-version
 */
import { readFile } from 'node:fs/promises';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { cleanup } from '../support/temporary-directory.js';
import { pack, readManifest } from './packed-package.js';

/**
 * The package has ES modules only. Node ≥ 20.19 loads them by `require`, too, which
 * `CJSResolvesToESM` doubts. The resolution of Node 10 knows no `exports`, hence no subpaths.
 */
const INTENDED = [
  { kind: 'CJSResolvesToESM', resolutionKind: 'node16-cjs' },
  { kind: 'NoResolution', resolutionKind: 'node10' },
];

const { directory } = cleanup(afterAll);
let tarball: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  tarball = Uint8Array.from(await readFile(await pack(await directory())));
});

test('publint finds nothing to say about the packed package', async () => {
  const { messages, pkg } = await publint({ pack: { tarball: tarball.buffer }, strict: true });
  expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
});

test('arethetypeswrong finds only that the package has no CommonJS', async () => {
  const result = await checkPackage(createPackageFromTarballData(tarball));
  if (result.types === false) throw new Error('the package has no types');
  const { exports } = await readManifest();
  expect(Object.keys(result.entrypoints).sort()).toEqual(Object.keys(exports).sort());
  const unintended = result.problems.filter(
    (problem) => !INTENDED.some((intended) => isLike(problem, intended)),
  );
  expect(unintended).toEqual([]);
});

function isLike(problem: object, intended: object): boolean {
  return Object.entries(intended).every(([key, value]) => Reflect.get(problem, key) === value);
}
