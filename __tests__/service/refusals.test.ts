import { refusalKey } from '../../lib/artifact/key.js';
import { thisMoment } from '../../lib/async/clock.js';
import { MemoryStore, SnapshotError } from '../../lib/index.js';
import { Refusals } from '../../lib/service/refusals.js';
import { fakeDate } from '../support/fake-date.js';
import { Hold } from '../support/hold.js';
import { cleanup } from '../support/temporary-directory.js';

const { defer } = cleanup(afterEach);
const HOUR = 60 * 60_000;
const repository = { host: 'git.test', path: 'org/repo' };
const refusal = new SnapshotError('UPSTREAM_NOT_FOUND', 'there is no such repository');
const { signal } = new AbortController();

/** A store whose next read can be held. */
class HeldReads extends MemoryStore {
  hold: Hold | undefined;

  override async stat(...about: Parameters<MemoryStore['stat']>) {
    const { hold } = this;
    this.hold = undefined;
    await hold?.wait();
    return await super.stat(...about);
  }
}

function start() {
  const store = new HeldReads({ maxBytes: 1e6 });
  const refusals = new Refusals({ store, forgetAfter: HOUR, onRefused: () => {} });
  const fail = (error = refusal) => refusals.failed(repository, error, undefined, signal);
  return { store, refusals, fail };
}

test('A success while a refusal is being noted ends the refusals before it', async () => {
  const { store, refusals, fail } = start();
  await fail();
  fakeDate(defer, HOUR - 1000);
  const hold = new Hold();
  store.hold = hold;
  const failing = fail();
  await hold.reached;
  const answering = refusals.answered(repository, thisMoment(), signal);
  hold.release();
  await Promise.all([failing, answering]);
  expect(refusals.has(repository)).toBe(false);
  expect(await store.stat(refusalKey(repository))).toBeUndefined();
  await fail();
  fakeDate(defer, 2000);
  expect(refusals.isForgotten(repository)).toBe(false);
});

test('An eviction while a refusal is being noted ends it', async () => {
  const { store, refusals, fail } = start();
  const hold = new Hold();
  store.hold = hold;
  const failing = fail();
  await hold.reached;
  const forgetting = refusals.forget(repository);
  hold.release();
  await Promise.all([failing, forgetting]);
  expect(refusals.has(repository)).toBe(false);
  expect(await store.stat(refusalKey(repository))).toBeUndefined();
});

test('A repository that does not answer while a refusal is being noted is not refused', async () => {
  const { store, refusals, fail } = start();
  const hold = new Hold();
  store.hold = hold;
  const failing = fail();
  await hold.reached;
  const unreachable = fail(new SnapshotError('UPSTREAM_UNREACHABLE', 'no answer'));
  hold.release();
  await Promise.all([failing, unreachable]);
  expect(refusals.has(repository)).toBe(false);
});
