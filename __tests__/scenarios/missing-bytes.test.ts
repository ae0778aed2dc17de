import { MemoryStore } from '../../lib/index.js';
import type { OpenedObject, OpenOptions } from '../../lib/stores/index.js';
import { freshRepository, read } from '../support/fresh-repository.js';
import { cleanup } from '../support/temporary-directory.js';

/*
 * Somebody removes bytes from the storage, such as a lifecycle rule of a bucket, but leaves their description.
 */

const context = cleanup(afterEach);

class Storage extends MemoryStore {
  /** The revision without bytes. */
  lost: string | undefined;

  override async open(key: string, options?: OpenOptions): Promise<OpenedObject | undefined> {
    const opened = await super.open(key, options);
    if (opened?.revision !== this.lost) return opened;
    opened?.body.destroy();
    return undefined;
  }
}

test.each([
  ['the whole', {}],
  ['a range', { range: 'bytes=0-9' }],
])(
  'A snapshot whose bytes are gone is built again for a client that wants %s',
  async (_, headers) => {
    const repository = await freshRepository(context);
    const store = new Storage({ maxBytes: 1e9 });
    const app = await repository.startApp({ store });
    context.defer(() => app.close());
    const { service } = app.router;
    await read(service, repository.snapshot);
    store.lost = (await service.statStored(repository.snapshot))?.revision;
    expect(store.lost).toBeDefined();
    const answer = await fetch(app.snapshotUrl('org/repo'), { headers });
    expect(answer.status).toBe(200);
    const sent = Buffer.from(await answer.arrayBuffer());
    const stored = await read(service, repository.snapshot);
    expect(stored.source).toBe('store');
    expect(stored.bytes.equals(sent)).toBe(true);
  },
);
