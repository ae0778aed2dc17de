import { assertContent, contentOf, put } from '../../../lib/testing/store-content.js';
import { door } from '../../support/door.js';
import { stopClock } from '../../support/stopped-clock.js';
import { cleanup } from '../../support/temporary-directory.js';
import { tiers as allTiers, HOUR, listedBeforeFailure } from './tiers.js';

const { defer } = cleanup(afterEach);
const CONTENT = contentOf('a');
/** Milliseconds. */
const RESPONSE = 5000;

/** A shared tier that failed is not asked again. */
const tiers = () =>
  allTiers({
    localMaxAge: 0,
    retryInterval: HOUR,
    responseTimeout: RESPONSE,
    idleTimeout: HOUR,
  });

async function never(): Promise<void> {
  await new Promise(() => {});
}

describe('A shared tier that lists nothing', () => {
  test.each<[string, () => Promise<void>]>([
    ['in time', never],
    ['but fails', () => Promise.reject(new Error('lists are denied'))],
  ])('%s still gives its objects, and takes new ones', async (_, onList) => {
    const clock = stopClock(defer);
    const { shared, store, failures } = tiers();
    const stored = await put(shared.inner, 'key', CONTENT);
    const [listing, list] = door();
    shared.onList = () => {
      list();
      return onList();
    };
    const late = listing.then(() => clock.tick(RESPONSE));
    await Promise.all([listedBeforeFailure(store), late]);
    expect(failures).toMatchObject([{ tier: 'shared', key: undefined }]);
    expect(await store.stat('key')).toEqual(stored);
    await assertContent(store, 'key', CONTENT);
    await put(store, 'new', CONTENT);
    await assertContent(shared.inner, 'new', CONTENT);
  });
});
