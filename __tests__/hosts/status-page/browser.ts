import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { run } from '../../support/run.js';
import type { Cleanup } from '../../support/temporary-directory.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** The rules of WCAG 2.2 up to AA, and what axe recommends beside them. */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };

/** Starts Debian's Chromium. Root has no sandbox. */
export async function startBrowser(defer: Cleanup['defer']): Promise<Browser> {
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const executablePath = (await run('bash', ['-c', 'command -v chromium'])).trim();
  const browser = await chromium.launch({ executablePath, args });
  defer(() => browser.close());
  return browser;
}

export interface OpenedPage {
  readonly page: Page;
  /** The browser's messages: errors of scripts, and violations of the policy. */
  readonly complaints: string[];
}

/** Opens a page in a context of its own, and waits until it has its repositories. */
export async function openPage(
  browser: Browser,
  url: string,
  defer: Cleanup['defer'],
  options: BrowserContextOptions = {},
): Promise<OpenedPage> {
  const context = await browser.newContext(options);
  defer(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.goto(url);
  await page.locator('#matching:not(:empty)').waitFor();
  return { page, complaints };
}

/** The failures that axe finds on the page. The test inserts axe: the context must bypass the policy. */
export async function violationsOn(page: Page): Promise<string[]> {
  await page.evaluate(await readFile(AXE, 'utf8'));
  const found: { violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] } =
    await page.evaluate(`axe.run({ runOnly: ${JSON.stringify(RULES)} })`);
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
  );
}

/** Whether the page is wider than the window. */
export async function isTooWide(page: Page): Promise<boolean> {
  return await page.evaluate('document.documentElement.scrollWidth > innerWidth');
}
