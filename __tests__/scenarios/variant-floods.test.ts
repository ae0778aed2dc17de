/**
 * @one-node-version
 */

import express, { type RequestHandler } from 'express';
import { defaultSnapshot } from '../../lib/artifact/id.js';
import { MemoryStore, type SnapshotOptions } from '../../lib/index.js';
import {
  counter,
  type FreshRepository,
  freshRepository,
  next,
  read,
  readAtOnce,
} from '../support/fresh-repository.js';
import { holdWrites } from '../support/held-writes.js';
import { HOST, type HostApp } from '../support/host-app.js';
import { listen } from '../support/service-events.js';
import { cleanup } from '../support/temporary-directory.js';

const { directory, defer } = cleanup(afterEach);
const SELDOM = { maxAge: 3_600_000 } as const;
const OTHER = { host: HOST, path: 'org/other' };
const FLOOD = 20;

let repository: FreshRepository;
/** Responses whose client is gone before they were begun. */
let left: number;

beforeEach(async () => {
  left = 0;
  repository = await freshRepository({ directory, defer });
  await repository.add(OTHER.path);
});

const countLeft: RequestHandler = (_req, res, goOn) => {
  res.once('close', () => {
    if (!res.headersSent) left++;
  });
  goOn();
};

/** An app that builds one artifact at a time and has mirrors of both repositories, but stores no snapshot. */
async function start(concurrency: SnapshotOptions['concurrency'] = {}) {
  const store = new MemoryStore({ maxBytes: 1e9 });
  const app = await repository.startApp({
    app: express().use(countLeft),
    store,
    freshness: SELDOM,
    concurrency: { builds: 1, ...concurrency },
  });
  const { service } = app.router;
  for (const id of [repository.id, OTHER]) {
    await read(service, defaultSnapshot(id));
    await service.delete(defaultSnapshot(id));
  }
  return { app, service, store };
}

/** As `start`, but the service is busy with a snapshot of another ref until `goOn` is called. */
async function startBusy(concurrency: SnapshotOptions['concurrency'] = {}) {
  const started = await start(concurrency);
  const goOn = holdWrites(started.store);
  defer(goOn);
  await readAtOnce(started.service, { ...repository.snapshot, ref: 'main', depth: 1 });
  const begun: string[] = [];
  listen(started.service, 'build started', ({ repository: { path } }) => begun.push(path));
  return { ...started, goOn, begun };
}

const variantUrl = (app: HostApp, depth: number) =>
  `${app.snapshotUrl(repository.path)}?depth=${depth}`;

/** Requests `count` variants. Resolves when the service has all of these requests. */
async function ask(app: HostApp, count: number) {
  const hangUp = new AbortController();
  const { signal } = hangUp;
  const answers: Promise<Response | undefined>[] = [];
  for (let depth = 2; depth < 2 + count; depth++) {
    const missed = next(app.router.service, 'miss', repository.id);
    answers.push(fetch(variantUrl(app, depth), { signal }).catch(() => undefined));
    await missed;
  }
  const leave = async () => {
    hangUp.abort();
    await Promise.all(answers);
    while (left < count) await new Promise(setImmediate);
  };
  return { answers, leave };
}

test('Variants whose clients hang up before their turn are not built, and the next variant is', async () => {
  const { app, service, goOn, begun } = await startBusy();
  const { leave } = await ask(app, FLOOD);
  await leave();
  const other = readAtOnce(service, defaultSnapshot(OTHER));
  goOn();
  expect((await other).source).toBe('build');
  await service.statStored(defaultSnapshot(OTHER));
  expect(begun).toEqual([OTHER.path]);
});

test('Variants whose clients hang up while the repository is cloned are not built', async () => {
  const { app, service } = await start();
  await service.purge(repository.id);
  const gate = repository.upstream.gate(repository.path);
  const { leave } = await ask(app, FLOOD);
  await gate.reached;
  await leave();
  const begun = counter(service, 'build started');
  const cloned = next(service, 'clone done', repository.id);
  gate.release();
  await cloned;
  expect((await read(service, { ...repository.snapshot, depth: 1 })).source).toBe('build');
  expect(begun()).toBe(1);
});

test('A variant that was dropped is built for the next client that requests it', async () => {
  const { app, service, goOn, begun } = await startBusy();
  const { leave } = await ask(app, 1);
  await leave();
  const again = readAtOnce(service, { ...repository.snapshot, depth: 2 });
  goOn();
  expect((await again).source).toBe('build');
  expect(begun).toEqual([repository.path]);
});

test('A variant is built while one of its clients waits for it', async () => {
  const { app, service, goOn, begun } = await startBusy();
  const missed = next(service, 'miss');
  const stays = readAtOnce(service, { ...repository.snapshot, depth: 2 });
  await missed;
  const { leave } = await ask(app, 1);
  await leave();
  goOn();
  expect((await stays).source).toBe('build');
  expect(begun).toEqual([repository.path]);
});

test('Other repositories, and the default snapshot, have their turn before more variants of one', async () => {
  const { app, service, goOn } = await startBusy();
  const built: (string | undefined)[] = [];
  listen(service, 'build done', ({ etag }) => built.push(etag));
  const { answers } = await ask(app, 3);
  const other = readAtOnce(service, defaultSnapshot(OTHER));
  const plain = readAtOnce(service, repository.snapshot);
  goOn();
  await Promise.all(answers);
  expect(built.slice(0, 2)).toEqual([(await other).etag, (await plain).etag]);
  expect(built).toHaveLength(5);
});

test('Variants beyond maxPendingVariants get 429, and all other requests are answered', async () => {
  const { app, service, goOn } = await startBusy({ maxPendingVariants: 3 });
  // One is being built.
  const { answers } = await ask(app, 2);
  const refused = await fetch(variantUrl(app, 9));
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await refused.json()).toMatchObject({ status: 429, code: 'TOO_MANY_VARIANTS' });
  const joined = fetch(variantUrl(app, 2));
  const others = [
    readAtOnce(service, repository.snapshot),
    readAtOnce(service, defaultSnapshot(OTHER)),
    readAtOnce(service, { ...defaultSnapshot(OTHER), depth: 1 }),
  ];
  goOn();
  await Promise.all(others);
  for (const answer of [...answers, joined]) expect((await answer)?.status).toBe(200);
  expect((await fetch(variantUrl(app, 9))).status).toBe(200);
});

test('Variants that are dropped leave their places to others', async () => {
  const { app, service, goOn } = await startBusy({ maxPendingVariants: 3 });
  const { leave } = await ask(app, 2);
  await leave();
  const later = readAtOnce(service, { ...repository.snapshot, depth: 9 });
  goOn();
  expect((await later).source).toBe('build');
});
