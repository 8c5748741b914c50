// The dashboard in a real browser, against a real server.
//
//   LOVAGE_URL        where the server is, such as http://127.0.0.1:7777/
//   LOVAGE_TOKEN      a token that may do everything (deployer or admin), if the server wants one
//   LOVAGE_ARTIFACTS  a folder for a picture of each page in light, in dark and on a phone
//   LOVAGE_FIXTURE    {"module": "basics", "viewer": "lov_…"}, each of which may be left out: the module of the examples
//                     under its name, and a viewer's token to see that it is shown less
//   CHROMIUM          the browser, if it is not /usr/bin/chromium
//
// The server needs a worker that lives, and the example module `basics` with two releases, the newest one active. All
// else the test makes itself. It ends with 0 if all of it holds.

import assert from 'node:assert/strict';
import * as browsing from './browser.mjs';
import * as checks from './checks.mjs';
import { api, seed } from './server.mjs';

const fixture = { module: 'basics', ...JSON.parse(process.env.LOVAGE_FIXTURE ?? '{}') };

/** Each page, its address, and what only its data can have put there. */
function pages(seeded, schedule) {
  const { module } = fixture;
  return [
    ['overview', '#/', 'figure path'],
    ['queues', '#/queues', 'text=held'],
    ['queue', '#/queues/held', 'text=user-42'],
    ['jobs', '#/jobs', `a[title="${seeded.held}"]`],
    ['jobs-by-tag', '#/jobs?tag=seed&state=completed', `a[title="${seeded.add}"]`],
    ['job', `#/jobs/${seeded.add}`, '.timeline rect.stretch'],
    ['job-failed', `#/jobs/${seeded.fail}`, '.failure .message'],
    ['dead', '#/dead', `text=${module}.fail`],
    ['modules', '#/modules', `main a >> text=${module}`],
    ['module', `#/modules/${module}`, 'text=Activate'],
    ['schedules', '#/schedules', `main a >> text=${schedule}`],
    ['schedule', `#/schedules/${encodeURIComponent(schedule)}`, '.plain li'],
    ['flows', '#/flows', 'text=sums'],
    ['flow', `#/flows/${seeded.flow}`, 'svg a.node.st-completed'],
    ['workers', '#/workers', '.worker h2'],
    ['usage', '#/usage', `main a >> text=${module}.add`],
    ['enqueue', `#/enqueue/${module}.fail`, 'main textarea'],
    ['enqueue-walk', `#/enqueue/${module}.walk`, 'main input'],
  ];
}

/** Each page shows its data, is small, fits a phone, and can be used by everyone, in both colours. */
async function pagesHold(browser, list) {
  const looks = {
    light: { colorScheme: 'light' },
    dark: { colorScheme: 'dark' },
    phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, reducedMotion: 'reduce' },
  };
  let largest = 0;
  for (const [look, options] of Object.entries(looks)) {
    for (const [name, hash, data] of list) {
      const tab = await browsing.open(browser, options);
      await browsing.visit(tab, hash);
      await tab.locator(data).first().waitFor();
      await browsing.shot(tab, `${name}-${look}`);
      await browsing.accessible(tab, `${name} in ${look}`);
      if (look === 'phone') await browsing.fits(tab, name);
      browsing.small(tab, name);
      largest = Math.max(largest, tab.loaded);
      await browsing.close(tab);
    }
  }
  return `the largest loads ${largest} bytes`;
}

async function main() {
  const seeded = await seed(fixture);
  const { schedules } = await api('GET', 'schedules');
  assert.ok(schedules.length > 0, `no schedule: \`${fixture.module}.weekly\` has one of its own`);
  const browser = await browsing.launch();
  let failed = 0;
  const check = async (name, body) => {
    const begun = Date.now();
    try {
      const said = await body();
      console.log(`ok      ${name} (${Date.now() - begun} ms)${said ? `: ${said}` : ''}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}: ${error.stack}`);
      for (const context of browser.contexts()) {
        for (const tab of context.pages())
          await browsing.shot(tab, `failed-${name.replaceAll(' ', '-')}`).catch(() => {});
        await context.close().catch(() => {});
      }
    }
  };
  await check('sign in', () => checks.signIn(browser));
  await check('pages', () => pagesHold(browser, pages(seeded, schedules[0].name)));
  await check('pieces', () => checks.pieces(browser));
  await check('text stays text', () => checks.staysText(browser, fixture, seeded));
  await check('enqueue by form', () => checks.enqueueByForm(browser, fixture));
  await check('cancel and retry', () => checks.cancelAndRetry(browser, fixture, seeded));
  await check('requeue a dead group', () => checks.requeueGroup(browser, fixture));
  await check('roll back', () => checks.rollBack(browser, fixture));
  await check('hold a queue', () => checks.holdQueue(browser, fixture));
  await check('live update', () => checks.liveUpdate(browser, fixture));
  await check('problems', () => checks.tellsProblems(browser));
  await check('keyboard', () => checks.keyboard(browser));
  await check('menu of a phone', () => checks.phoneMenu(browser));
  await check('viewer', () => checks.viewerSees(browser, fixture, seeded));
  await browser.close();
  return failed;
}

process.exitCode = (await main()) === 0 ? 0 : 1;
