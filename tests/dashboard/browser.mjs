// The browser, and what holds of every page whatever it shows.

import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { address, token } from './server.mjs';

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const MOST_BYTES = 200 * 1024;
const artifacts = process.env.LOVAGE_ARTIFACTS ?? null;

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: ARGS });

/**
 * A tab that remembers what went wrong in it (`tab.wrong`) and how much it loaded (`tab.loaded`). `answers` are the
 * failing statuses that this tab is there to provoke: the browser reports each as an error of its own. `as` is the
 * token that it is signed in with.
 */
export async function open(browser, { as = token, answers = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const tab = await context.newPage();
  tab.setDefaultTimeout(15_000);
  tab.wrong = [];
  tab.loaded = 0;
  tab.on('console', (it) => {
    const text = it.text();
    const provoked = answers.some((status) => text.includes(`the server responded with a status of ${status}`));
    if (it.type() === 'error' && !provoked) tab.wrong.push(`console: ${text}`);
  });
  tab.on('pageerror', (error) => tab.wrong.push(`page: ${error.stack ?? error}`));
  tab.on('requestfinished', async (it) => {
    const sizes = await it.sizes().catch(() => null);
    if (sizes) tab.loaded += sizes.responseBodySize + sizes.responseHeadersSize;
  });
  await tab.addInitScript(
    ({ own }) => {
      addEventListener('securitypolicyviolation', (event) =>
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
      );
      // A blank page has no storage.
      if (own && location.protocol !== 'about:') sessionStorage.setItem('lovage-token', own);
    },
    { own: as },
  );
  return tab;
}

/** Goes to a page and waits until it shows its data. */
export async function visit(tab, hash) {
  // Only the hash may differ from where the tab is, which is no navigation: a blank page between makes it one.
  await tab.goto('about:blank');
  await tab.goto(address(hash));
  await shown(tab);
}

/** Waits until the page shows its data and is live. */
export async function shown(tab) {
  await tab.locator('main h1').waitFor();
  await tab.locator('main .loading').waitFor({ state: 'detached' });
  await tab.locator('.stream-live').waitFor();
}

/** Closes a tab in which nothing may have gone wrong. */
export async function close(tab) {
  const { wrong } = tab;
  assert.equal(await tab.evaluate(() => window.__pwned), undefined, 'markup of a job was taken for markup');
  await tab.context().close();
  assert.deepEqual(wrong, [], 'errors in the browser');
}

export async function shot(tab, name) {
  if (!artifacts) return;
  await mkdir(artifacts, { recursive: true });
  await tab.screenshot({ path: join(artifacts, `${name}.png`), fullPage: true });
}

/** No violation of WCAG 2 A or AA that axe can find. */
export async function accessible(tab, name) {
  // A page's policy forbids a script of ours; the debugger's own evaluation is not the page's.
  await tab.evaluate(AXE);
  const { violations } = await tab.evaluate(() =>
    window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa'], resultTypes: ['violations'] }),
  );
  const said = violations.map(
    (it) => `${it.id}: ${it.nodes.map((node) => `${node.target} ${node.failureSummary}`).join(' | ')}`,
  );
  assert.deepEqual(said, [], `accessibility of ${name}`);
}

/** Nothing but what scrolls within itself is wider than the screen. */
export async function fits(tab, name) {
  // A phone zooms out to what is too wide, so its own idea of its width says nothing.
  const over = (await tab.evaluate(() => document.documentElement.scrollWidth)) - tab.viewportSize().width;
  assert.ok(over <= 0, `${name} is ${over} pixels wider than the screen`);
}

export function small(tab, name) {
  assert.ok(tab.loaded > 1000, `${name} loaded ${tab.loaded} bytes: nothing was counted`);
  assert.ok(tab.loaded < MOST_BYTES, `${name} loads ${tab.loaded} bytes, more than ${MOST_BYTES}`);
}
