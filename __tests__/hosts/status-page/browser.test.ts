/**
 * @needs bash chromium curl tar zstd
 * @one-node-version
 */
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import express from 'express';
import type { Browser, Page } from 'playwright-core';
import { SnapshotError } from '../../../lib/index.js';
import { createStatusPage, type StatusPageOptions } from '../../../lib/status-page/index.js';
import { startPage } from '../../status-page/page-host.js';
import { ShownService } from '../../status-page/shown-service.js';
import { freshRepository } from '../../support/fresh-repository.js';
import { listen } from '../../support/listen.js';
import { git, run } from '../../support/run.js';
import { cleanup } from '../../support/temporary-directory.js';
import { isTooWide, openPage, PHONE, startBrowser, violationsOn } from './browser.js';

const { defer: deferAll } = cleanup(afterAll);
const { directory, defer } = cleanup(afterEach);
const ALL: StatusPageOptions = { actions: ['refresh', 'remove'] };
const REPOSITORY = 'git.test/org/repo-0007';
let browser: Browser;
let service: ShownService;

beforeAll(async () => {
  browser = await startBrowser(deferAll);
});

beforeEach(() => {
  service = new ShownService();
});

function addRepositories(count: number): void {
  for (let i = 0; i < count; i++) {
    const name = `git.test/org/repo-${String(i).padStart(4, '0')}`;
    const error = new SnapshotError('UPSTREAM_TIMEOUT', 'git.test did not answer');
    service.add(name, { isCurrent: i % 5 > 0, ...(i % 97 === 3 && { error }) });
  }
}

function startClone(): void {
  const clone = service.job('clone', 'git.test/org/new');
  clone.start();
  const counts = { receivedBytes: 5e6, receivedObjects: 250, totalObjects: 1000 };
  clone.progress({ kind: 'pack', phase: 'receiving', ...counts });
}

const toggleOf = (page: Page, name: string) =>
  page.locator('.toggle').filter({ hasText: name.slice(name.indexOf('/') + 1) });

test('The page shows a clone as it runs, then its repository; the command that it copies restores it', async () => {
  const repository = await freshRepository({ directory, defer });
  const app = express();
  const host = await repository.startApp({ app });
  const status = createStatusPage(host.router);
  defer(() => status.close());
  app.use('/admin/status', status);
  const url = `${host.url}/admin/status`;
  const { page, complaints } = await openPage(browser, url, defer, {
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  await page.getByText('No repository yet.').waitFor();
  await page.getByText('Live', { exact: true }).waitFor();

  const gate = repository.upstream.gate(repository.path);
  const download = fetch(host.snapshotUrl(repository.path)).then((response) => response.text());
  await gate.reached;
  const bar = page.getByRole('progressbar', { name: `Clone of git.test/${repository.path}` });
  await bar.waitFor();
  gate.release();
  await download;
  await bar.waitFor({ state: 'detached' });
  const row = page.getByRole('row').filter({ hasText: repository.path });
  await row.getByText('Current').waitFor();

  await row.getByRole('button', { name: /^Copy command/ }).click();
  await row.getByText('Copied').waitFor();
  const command = String(await page.evaluate('navigator.clipboard.readText()'));
  const cwd = await directory();
  await run('bash', ['-o', 'pipefail', '-c', command], { cwd });
  expect(await git(join(cwd, 'repo'), 'status', '--porcelain')).toBe('');
  expect(await git(join(cwd, 'repo'), 'rev-parse', 'HEAD')).toBe(await repository.head());
  expect(complaints).toEqual([]);
});

describe.each([
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['a phone', { ...PHONE, colorScheme: 'light' }],
] as const)('With %s', (_name, options) => {
  test('axe finds nothing wrong, with and without repositories, with details and a question', async () => {
    const context = { ...options, bypassCSP: true };
    const empty = await startPage(new ShownService(), defer);
    const first = await openPage(browser, empty.url, defer, context);
    expect(await violationsOn(first.page)).toEqual([]);
    addRepositories(30);
    const { url } = await startPage(service, defer, ALL);
    startClone();
    const { page } = await openPage(browser, url, defer, context);
    await toggleOf(page, 'git.test/org/repo-0003').click();
    await page.getByRole('progressbar').waitFor();
    expect(await violationsOn(page)).toEqual([]);
    await page.getByRole('button', { name: 'Remove…' }).click();
    expect(await violationsOn(page)).toEqual([]);
  });
});

test('2,000 repositories make pages of 100, which can be filtered, sorted and turned', async () => {
  addRepositories(2_000);
  const { url } = await startPage(service, defer);
  const { page, complaints } = await openPage(browser, url, defer);
  await page.getByText('1–100 of 2,000').waitFor();
  expect(await page.locator('.toggle').count()).toBe(100);
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByText('101–200 of 2,000').waitFor();
  await page.getByLabel('Filter by name').fill('REPO-00');
  await page.getByText('100 of 2,000 repositories').waitFor();
  await page.locator('#state').selectOption('failing');
  await page.getByText('1 of 2,000 repositories').waitFor();
  expect(await page.locator('.toggle').allTextContents()).toEqual(['git.test/org/repo-0003']);
  await page.reload();
  await page.getByText('1 of 2,000 repositories').waitFor();
  await page.getByLabel('Filter by name').fill('nothing');
  await page.getByText('No repository matches.').waitFor();
  expect(complaints).toEqual([]);
});

test('Everything works with the keyboard alone', async () => {
  addRepositories(20);
  const { url } = await startPage(service, defer, ALL);
  const { page, complaints } = await openPage(browser, url, defer);
  const press = (...keys: string[]) =>
    keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
  await press('Tab', 'Enter'); // skips to the repositories
  await press('Tab');
  await page.keyboard.type('0007');
  await page.getByText('1 of 20 repositories').waitFor();
  await press('Tab', 'Tab', 'Enter'); // the state, the first column
  await page.locator('th[aria-sort=descending]').waitFor();
  const focused = async () => String(await page.evaluate('document.activeElement.textContent'));
  while ((await focused()) !== REPOSITORY) await press('Tab');
  await press('Enter');
  while ((await focused()) !== 'Refresh now') await press('Tab');
  await press('Enter');
  await press('Tab', 'Enter'); // asks whether to remove it
  expect(await focused()).toBe('Cancel');
  await press('Escape');
  expect(await focused()).toBe('Remove…');
  await press('Enter', 'Tab', 'Enter');
  await page.getByText('No repository matches.').waitFor();
  const actions = service.calls.filter((call) => /^(refresh|purge) /.test(call));
  expect(actions).toEqual([`refresh ${REPOSITORY}`, `purge ${REPOSITORY}`]);
  expect(complaints).toEqual([]);
});

test('Rows keep the focus and their open details when the list is loaded again', async () => {
  addRepositories(20);
  const { url } = await startPage(service, defer, ALL);
  const { page } = await openPage(browser, url, defer);
  await toggleOf(page, REPOSITORY).press('Enter');
  await page.getByRole('button', { name: 'Refresh now' }).focus();
  service.add('git.test/org/a-new-one');
  service.job('fetch', 'git.test/org/a-new-one').start();
  await page.getByText('21 repositories').waitFor();
  const focused = await page.evaluate('document.activeElement.textContent');
  expect(focused).toBe('Refresh now');
});

test('Hostile names and messages are shown as text, and hidden characters as escapes', async () => {
  const name = 'git.test/<img src=x onerror=alert(1)>/\u202efdp\u200b\'$(id)`"';
  const message = '<script>alert(1)</script>\u2066 <b>remote</b>';
  service.add(name, { error: new SnapshotError('UPSTREAM_INVALID', message) });
  const { url } = await startPage(service, defer, ALL);
  const clone = service.job('clone', name);
  clone.start();
  clone.progress({ kind: 'message', text: message });
  const { page, complaints } = await openPage(browser, url, defer);
  await page.locator('.toggle').click();
  expect(await page.locator('img, b, table script').count()).toBe(0);
  const shown = await page.locator('.toggle').textContent();
  expect(shown).toBe('git.test/<img src=x onerror=alert(1)>/\\u{202e}fdp\\u{200b}\'$(id)`"');
  expect(await page.locator('.failure').textContent()).toContain(
    '<script>alert(1)</script>\\u{2066}',
  );
  const command = await page.locator('.command code').textContent();
  expect(command).toMatch(
    /^mkdir fdp-id- && curl -sSf '[^'\s]+' \| zstd -dc \| tar -xpf - -C fdp-id-$/,
  );
  expect(complaints).toEqual([]);
});

test('No page is wider than a phone', async () => {
  addRepositories(200);
  service.add(`git.test/${'a-very-long-name/'.repeat(12)}x`);
  startClone();
  const { url } = await startPage(service, defer, ALL);
  for (const width of [320, 390, 768]) {
    const viewport = { width, height: 800 };
    const { page } = await openPage(browser, url, defer, { viewport });
    await page.locator('.toggle').first().click();
    expect([width, await isTooWide(page)]).toEqual([width, false]);
  }
});

test('Without live updates, the page asks every few seconds', async () => {
  const { url } = await startPage(service, defer, { maxStreams: 0 });
  const { page } = await openPage(browser, url, defer);
  await page.getByText('Updated every 5 seconds').waitFor();
  startClone();
  await page.getByRole('progressbar').waitFor();
});

test('The page says when the visitor is signed out', async () => {
  let isSignedIn = true;
  const { url } = await startPage(service, defer, {
    ...ALL,
    before: [(_req, res, next) => (isSignedIn ? next() : res.redirect('/login'))],
  });
  addRepositories(3);
  const { page } = await openPage(browser, url, defer);
  isSignedIn = false;
  await page.getByLabel('Filter by name').fill('x');
  await page.getByText('You are signed out.').waitFor();
});

test('The page works behind a proxy that removes a prefix', async () => {
  addRepositories(3);
  const { url } = await startPage(service, defer, { ...ALL, mount: '/status' });
  const { port } = new URL(url);
  const proxy = createServer((req, res) => {
    const path = req.url?.replace(/^\/tools/, '');
    const options = { host: '127.0.0.1', port, path, method: req.method, headers: req.headers };
    const passed = request(options, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    req.pipe(passed).on('error', () => res.destroy());
  });
  const origin = await listen(proxy, defer);
  const { page, complaints } = await openPage(browser, `${origin}/tools/status`, defer);
  await page.getByText('Live', { exact: true }).waitFor();
  expect(page.url()).toBe(`${origin}/tools/status/`);
  await toggleOf(page, 'git.test/org/repo-0001').click();
  await page.getByRole('button', { name: 'Refresh now' }).click();
  while (!service.calls.includes('refresh git.test/org/repo-0001')) await page.waitForTimeout(20);
  expect(complaints).toEqual([]);
});
