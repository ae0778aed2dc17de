import { SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import express from 'express';
import { MemoryLocks } from '../../lib/index.js';
import {
  instrumentLocks,
  instrumentRouter,
  instrumentService,
} from '../../lib/opentelemetry/index.js';
import { type FreshRepository, freshRepository } from '../support/fresh-repository.js';
import type { HostApp } from '../support/host-app.js';
import { cleanup } from '../support/temporary-directory.js';
import { Telemetry } from './telemetry.js';

const { directory, defer } = cleanup(afterEach);

let repository: FreshRepository;
let telemetry: Telemetry;

beforeEach(async () => {
  repository = await freshRepository({ directory, defer });
  telemetry = new Telemetry({ defer });
});

async function start(): Promise<HostApp> {
  const app = await repository.startApp({
    app: express().use(telemetry.middleware),
    locks: instrumentLocks(new MemoryLocks(), telemetry.options),
  });
  defer(instrumentRouter(app.router, telemetry.options));
  defer(instrumentService(app.router.service, telemetry.options));
  return app;
}

function parentOf({ parentSpanContext }: ReadableSpan): ReadableSpan | undefined {
  return telemetry.spans.find((span) => span.spanContext().spanId === parentSpanContext?.spanId);
}

/** The names of all spans of a trace, each below its parent. */
function tree(root: ReadableSpan): object {
  const children = telemetry.spans.filter((span) => parentOf(span) === root);
  return Object.fromEntries(children.map((child) => [child.name, tree(child)]));
}

test('The trace of a cold request has its lock, clone, build and store', async () => {
  const app = await start();
  await (await fetch(app.snapshotUrl(repository.path))).arrayBuffer();
  await app.router.close({ drain: true });
  const phases = { negotiate: {}, resolve: {} };
  const request = telemetry.span('GET');
  expect(tree(request)).toEqual({ lock: {}, clone: phases, build: {}, store: {} });
  const name = { 'git_snapshot.repository': `git.test/${repository.path}` };
  expect(request.attributes).toEqual({
    ...name,
    'git_snapshot.artifact': 'snapshot',
    'git_snapshot.outcome': 'miss',
  });
  expect(telemetry.span('clone').attributes).toMatchObject(name);
});

test('A request that joins a build links to the request that has begun it', async () => {
  const app = await start();
  const gate = repository.upstream.gate(repository.path);
  const url = app.snapshotUrl(repository.path);
  const joined = new Promise<void>((resolve) => {
    app.router.service.events.on('miss', ({ coalesced }) => coalesced && resolve());
  });
  const first = fetch(url);
  await gate.reached;
  const second = fetch(url);
  await joined;
  gate.release();
  for (const response of await Promise.all([first, second])) await response.arrayBuffer();
  await app.router.close({ drain: true });
  const requests = telemetry.spans.filter(({ name }) => name === 'GET');
  const ofOutcome = (outcome: string) =>
    requests.find(({ attributes }) => attributes['git_snapshot.outcome'] === outcome);
  const links = ofOutcome('joined')?.links.map(({ context }) => context.spanId);
  expect(links).toEqual([ofOutcome('miss')?.spanContext().spanId]);
  expect(parentOf(telemetry.span('clone'))).toBe(ofOutcome('miss'));
});

test('The span of a job that fails has its code', async () => {
  const app = await start();
  repository.upstream.fault(repository.path, { kind: 'status', status: 404 });
  await fetch(app.snapshotUrl(repository.path));
  const { status, attributes } = telemetry.span('clone');
  expect(status.code).toBe(SpanStatusCode.ERROR);
  expect(attributes).toMatchObject({ 'error.type': 'UPSTREAM_NOT_FOUND' });
});

test('Work on a schedule has a trace of its own', async () => {
  const app = await repository.startApp({
    app: express().use(telemetry.middleware),
    freshness: { refreshInterval: 1, stopRefreshingAfter: 3_600_000 },
  });
  const { service } = app.router;
  defer(instrumentService(service, telemetry.options));
  const fetched = new Promise<void>((resolve) => {
    service.events.on('jobEnded', ({ kind }) => kind === 'fetch' && resolve());
  });
  await (await fetch(app.snapshotUrl(repository.path))).arrayBuffer();
  await fetched;
  await app.router.close();
  const [first] = telemetry.spans.filter(({ name }) => name === 'fetch');
  expect(first?.parentSpanContext).toBeUndefined();
  expect(first?.spanContext().traceId).not.toBe(telemetry.span('GET').spanContext().traceId);
});
