/** @one-node-version */
import { MemoryLocks, MemoryStore } from '../../lib/index.js';
import { lockContract, storeContract } from '../../lib/testing/index.js';
import { collectTests } from './collected-tests.js';

const INVALID = { code: 'INVALID_OPTIONS' };
const store = new MemoryStore({ maxBytes: 1e6 });
const locks = new MemoryLocks();

test.each<[string, object]>([
  ['store', store],
  ['store', { store: MemoryStore }],
  ['reOpen', { store, reOpen: () => store }],
])('A factory whose result has a wrong %s fails each test of a store: %#', async (name, made) => {
  const tests = collectTests((register) => {
    storeContract({ test: register, factory: () => made as never });
  });
  for (const run of tests.values()) await expect(run()).rejects.toMatchObject(naming(name));
});

test.each<[string, object]>([
  ['locks', locks],
  ['locks', { locks: MemoryLocks }],
  ['registry', { locks, registry: locks }],
])('A factory whose result has a wrong %s fails each test of locks: %#', async (name, made) => {
  const tests = collectTests((register) => {
    lockContract({ test: register, factory: () => made as never });
  });
  for (const run of tests.values()) await expect(run()).rejects.toMatchObject(naming(name));
});

test.each<[string, object]>([
  ['test', { factory: () => ({ store }) }],
  ['factory', { test: () => {} }],
  ['factory', { test: () => {}, factory: { store } }],
  ['store', { test: () => {}, factory: () => ({ store }), store }],
])('A contract names a wrong %s: %#', (name, options) => {
  for (const contract of [storeContract, lockContract]) {
    expect(() => contract(options as never)).toThrow(expect.objectContaining(naming(name)));
  }
});

function naming(name: string): object {
  return { ...INVALID, message: expect.stringMatching(new RegExp(`\\b${name}\\b`)) };
}
