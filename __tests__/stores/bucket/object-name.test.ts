import { keyOf, objectName } from '../../../lib/stores/bucket/object-name.js';

const KEYS = [
  'a',
  'a/b',
  'a.object',
  'a.object/b',
  'a.object.object/b',
  'a!2eobject/b',
  'a.objec!74/b',
];

test('The name of no object is the folder of another one, for servers that store files', () => {
  const names = KEYS.map(objectName);
  const folders = names.flatMap((name) => {
    const segments = name.split('/');
    return segments.slice(1).map((_, i) => segments.slice(0, i + 1).join('/'));
  });
  expect(names.filter((name) => folders.includes(name))).toEqual([]);
  expect(new Set(names).size).toBe(KEYS.length);
  expect(names.map(keyOf)).toEqual(KEYS);
});
