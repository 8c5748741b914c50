// What the dashboard does when somebody uses it: by click, by key, and by itself.

import assert from 'node:assert/strict';
import { accessible, close, fits, open, shot, shown, visit } from './browser.mjs';
import { address, api, ended, enqueue, EVIL, job, token, until } from './server.mjs';

const button = (tab, name, exact = true) => tab.locator('main').getByRole('button', { name, exact });
const confirmed = async (tab, name) => {
  const dialog = tab.getByRole('dialog');
  await dialog.getByRole('button', { name, exact: true }).click();
  await dialog.waitFor({ state: 'hidden' });
};

/** Without a token there is nothing but the form; with one it is kept in the tab and nowhere else. */
export async function signIn(browser) {
  if (!token) return 'skipped: the server wants no token';
  const tab = await open(browser, { as: null, answers: [401] });
  await tab.goto(address());
  await tab.getByLabel('Token').fill('lov_wrong');
  await button(tab, 'Sign in').click();
  await tab.getByRole('alert').waitFor();
  await accessible(tab, 'sign in');
  await shot(tab, 'signin');
  await tab.getByLabel('Token').fill(token);
  await button(tab, 'Sign in').click();
  await shown(tab);
  const kept = await tab.evaluate(() => [Object.values(sessionStorage), localStorage.length, document.cookie]);
  assert.deepEqual(kept, [[token], 0, '']);
  await tab.getByRole('button', { name: 'Sign out' }).click();
  await tab.getByLabel('Token').waitFor();
  assert.equal(await tab.evaluate(() => sessionStorage.length), 0);
  return close(tab);
}

/** The form enqueues what it says, shows what is refused at its field, and leads to the job. */
export async function enqueueByForm(browser, { module }) {
  const tab = await open(browser, { answers: [422] });
  await visit(tab, `#/enqueue/${module}.add`);
  await tab.getByLabel(/^a whole number/).fill('forty');
  await tab.getByLabel(/^b whole number/).fill('2');
  await button(tab, 'Enqueue').click();
  await tab.locator('.field-error').getByText('a number is wanted').waitFor();
  await tab.getByLabel(/^a whole number/).fill('40');
  await tab.getByText('Options', { exact: true }).click();
  await tab.getByLabel(/^Tags/).fill('by-form, second');
  await button(tab, 'Enqueue').click();
  await tab.waitForURL(/#\/jobs\//);
  await shown(tab);
  await tab.locator('h1').getByText('completed').waitFor();
  const done = await job(decodeURIComponent(tab.url().split('#/jobs/')[1]));
  assert.deepEqual([done.input, done.result, done.options.headers.tags], [{ a: 40, b: 2 }, 42, 'by-form,second']);
  // What the server refuses stands at the field that it names: fewer mebibytes than none.
  await visit(tab, `#/enqueue/${module}.allocate`);
  await tab.getByLabel(/^mebibytes whole number/).fill('-5');
  await button(tab, 'Enqueue').click();
  await tab.locator('.field-error').waitFor();
  assert.equal(await tab.getByLabel(/^mebibytes whole number/).getAttribute('aria-invalid'), 'true');
  return close(tab);
}

/** A job that runs shows its progress, and stops by click; one that ended runs again by click. */
export async function cancelAndRetry(browser, { module }, seeded) {
  const tab = await open(browser);
  const id = await enqueue(`${module}.spin`, { ms: 120_000 });
  await visit(tab, `#/jobs/${id}`);
  await tab.locator('h1').getByText('running').waitFor();
  await button(tab, 'Cancel').click();
  await ended(id);
  await tab.locator('h1 .badge').filter({ hasNotText: 'running' }).waitFor();
  await visit(tab, `#/jobs/${seeded.again}`);
  const { finished } = await job(seeded.again);
  await button(tab, 'Retry').click();
  await until(
    'the retried job ends again',
    () => job(seeded.again),
    (it) => it.state === 'discarded' && it.finished !== finished,
  );
  return close(tab);
}

/** All of a group of dead jobs are requeued by one click and one confirmation. */
export async function requeueGroup(browser, { module }) {
  const ids = [];
  for (let number = 0; number < 3; number += 1)
    ids.push(await enqueue(`${module}.panics`, { message: `group ${number}` }));
  await Promise.all(ids.map(ended));
  const before = await Promise.all(ids.map(async (id) => (await job(id)).finished));
  const tab = await open(browser);
  await visit(tab, '#/dead');
  await button(tab, new RegExp(`^Requeue all of ${module}\\.panics`), false)
    .first()
    .click();
  await confirmed(tab, 'Requeue all');
  await tab
    .locator('#notices')
    .getByText(/requeued/)
    .waitFor();
  for (const [at, id] of ids.entries()) {
    await until(
      `${id} was tried again`,
      () => job(id),
      (it) => it.state === 'discarded' && it.finished !== before[at],
    );
  }
  return close(tab);
}

/** A release goes back, and forward again, by click. */
export async function rollBack(browser, { module }) {
  const active = async () => (await api('GET', `modules/${module}`)).releases.find((it) => it.active).number;
  const newest = Math.max(...(await api('GET', `modules/${module}`)).releases.map((it) => it.number));
  if ((await active()) !== newest) await api('POST', `modules/${module}/releases/${newest}/activate`);
  const tab = await open(browser);
  await visit(tab, `#/modules/${module}`);
  await button(tab, 'Roll back').click();
  await confirmed(tab, 'Roll back');
  await until('an older release is active', active, (it) => it < newest);
  await button(tab, `Activate release ${newest}`).click();
  await confirmed(tab, 'Activate');
  await until('the newest release is active', active, (it) => it === newest);
  return close(tab);
}

/** A queue is held, limited and let go by click. */
export async function holdQueue(browser, { module }) {
  await ended(await enqueue(`${module}.add`, { a: 1, b: 1 }, { queue: 'clicked' }));
  const paused = async () => (await api('GET', 'queues/clicked')).paused;
  const tab = await open(browser);
  await visit(tab, '#/queues');
  await button(tab, 'Pause queue:clicked').click();
  await until('the queue is paused', paused, (it) => it);
  await button(tab, 'Resume queue:clicked').first().click();
  await until('the queue goes on', paused, (it) => !it);
  await visit(tab, '#/queues/clicked');
  await button(tab, 'Edit limit').click();
  await accessible(tab, 'the form of a limit');
  await shot(tab, 'limit');
  await tab.getByRole('dialog').getByLabel(/^Rate/).fill('50/s');
  await confirmed(tab, 'Set limit');
  await until(
    'the limit is set',
    async () => (await api('GET', 'queues/clicked')).limit?.rate,
    (it) => it === '50/s',
  );
  return close(tab);
}

/** What happens elsewhere shows up, and takes away neither the focus, nor what was typed, nor what was opened. */
export async function liveUpdate(browser, { module }) {
  const tab = await open(browser);
  await visit(tab, `#/jobs?task=${module}.add`);
  await tab.evaluate(() => {
    window.__same = true;
  });
  const task = tab.locator('main').getByLabel('Task', { exact: true });
  await task.fill('half a wo');
  const id = await enqueue(`${module}.add`, { a: 20, b: 3 });
  // Sooner than the page would look by itself.
  await tab.locator(`a[title="${id}"]`).waitFor({ timeout: 6000 });
  assert.equal(await tab.evaluate(() => window.__same), true, 'the page was loaded anew');
  assert.equal(await task.inputValue(), 'half a wo');
  assert.ok(await task.evaluate((it) => it === document.activeElement), 'the focus was lost');
  await visit(tab, '#/');
  await tab.locator('figure').first().getByText('Numbers').click();
  const running = tab.locator('.stat').filter({ hasText: 'Running' }).locator('.stat-value');
  const before = Number(await running.textContent());
  const long = await enqueue(`${module}.spin`, { ms: 120_000 });
  await tab.waitForFunction((than) => Number(document.querySelector('.stat .stat-value').textContent) > than, before);
  assert.ok(
    await tab
      .locator('figure details')
      .first()
      .evaluate((it) => it.open),
    'what was opened was shut',
  );
  await api('POST', `jobs/${long}/cancel`);
  await ended(long);
  return close(tab);
}

/** Whatever a job says stays text. */
export async function staysText(browser, fixture, seeded) {
  const tab = await open(browser);
  await visit(tab, `#/jobs/${seeded.fail}`);
  await tab.locator('.failure .message').getByText(EVIL).waitFor();
  await tab
    .getByRole('region', { name: 'Input', exact: true })
    .filter({ has: tab.locator('code') })
    .first()
    .getByText('<img src=x')
    .waitFor();
  await visit(tab, `#/jobs/${seeded.panic}`);
  await tab
    .getByRole('region', { name: /^Log of attempt/ })
    .getByText('<img src=x')
    .waitFor();
  await visit(tab, `#/jobs/${seeded.echo}`);
  await tab.getByRole('region', { name: 'Result', exact: true }).last().getByText('<img src=x').waitFor();
  await visit(tab, '#/dead');
  await tab.getByText('<img src=x').first().waitFor();
  assert.equal(await tab.locator('main img, main script').count(), 0);
  return close(tab);
}

/** What is not there is told in the server's words. */
export async function tellsProblems(browser) {
  const tab = await open(browser, { answers: [404] });
  await tab.goto(address('#/jobs/00000000-0000-7000-8000-000000000000'));
  await tab.getByRole('alert').waitFor();
  assert.ok((await tab.getByRole('alert').textContent()).length > 5);
  return close(tab);
}

/** Without a mouse: the skip link, the pages, the shortcuts, the help. */
export async function keyboard(browser) {
  const tab = await open(browser);
  await visit(tab, '#/');
  const focused = () => tab.evaluate(() => document.activeElement.textContent.trim());
  await tab.keyboard.press('Tab');
  assert.equal(await focused(), 'Skip to the content');
  for (let presses = 0; (await focused()) !== 'Queues'; presses += 1) {
    assert.ok(presses < 20, 'Tab does not reach the pages');
    await tab.keyboard.press('Tab');
  }
  const outline = await tab.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, 'none', 'the focus is not to be seen');
  await tab.keyboard.press('Enter');
  await tab.locator('h1').getByText('Queues').waitFor();
  assert.equal(await tab.locator('nav [aria-current=page]').textContent(), 'Queues');
  await tab.keyboard.press('g');
  await tab.keyboard.press('j');
  await tab.locator('h1').getByText('Jobs').waitFor();
  await tab.keyboard.press('/');
  assert.equal(await tab.evaluate(() => document.activeElement.id), 'search');
  await tab.keyboard.press('Escape');
  await tab.evaluate(() => document.activeElement.blur());
  await tab.keyboard.press('?');
  await tab.getByRole('dialog').getByText('dead list').waitFor();
  await accessible(tab, 'the help');
  await shot(tab, 'help');
  await tab.keyboard.press('Escape');
  await tab.getByRole('dialog').waitFor({ state: 'hidden' });
  return close(tab);
}

/** What the form makes of schemas that no example has, and the stream of what comes in pieces. */
export async function pieces(browser) {
  const tab = await open(browser);
  await visit(tab, '#/');
  const { value, wrong, kinds } = await tab.evaluate(async () => {
    const load = (name) => import(new URL(`ui/${name}.js`, document.baseURI));
    const [{ Form }, { shape }, { render }] = await Promise.all([load('form'), load('schema'), load('dom')]);
    const schema = {
      type: 'object',
      required: ['size', 'list', 'maybe', 'picture'],
      properties: {
        size: { $ref: '#/$defs/Size' },
        list: { type: 'array', items: { $ref: '#/$defs/Size' } },
        left: { $ref: '#/$defs/Size' },
        mode: { anyOf: [{ $ref: '#/$defs/Mode' }, { type: 'null' }] },
        flag: { type: ['boolean', 'null'] },
        maybe: { type: ['integer', 'null'] },
        any: true,
        picture: { type: 'string', contentEncoding: 'base64' },
        'a/b~c': { type: 'number' },
      },
      $defs: {
        Size: {
          type: 'object',
          required: ['wide'],
          properties: { wide: { type: 'integer' }, unit: { enum: ['px', 'em'], default: 'em' } },
        },
        Mode: { oneOf: [{ const: 'fast' }, { enum: ['slow', 'slower'] }] },
      },
    };
    const kinds = Object.values(schema.properties)
      .map((it) => shape(it, schema))
      .map((it) => it.kind + (it.nullable ? '?' : ''));
    const element = document.createElement('form');
    const form = new Form(schema, () => render(element, form.fields()));
    form.redraw();
    const add = [...element.querySelectorAll('button')].find((it) => it.textContent === 'Add to list');
    const set = (label, text) => {
      [...element.elements].find((it) => it.name === label).value = text;
    };
    add.click();
    add.click();
    set('/size/wide', '3');
    set('/list/#1/wide', '1');
    set('/list/#2/wide', 'x');
    set('/mode', '"slow"');
    set('/any', '{"deep": [1]}');
    set('/a/b~c', '2.5');
    const file = new DataTransfer();
    file.items.add(new File(['hello'], 'hello.txt'));
    element.elements.namedItem('/picture').files = file.files;
    const wrong = await form.read(element).catch((error) => error.errors);
    set('/list/#2/wide', '2');
    return { kinds, wrong, value: await form.read(element) };
  });
  assert.deepEqual(kinds, ['object', 'array', 'object', 'choice?', 'boolean?', 'integer?', 'any', 'bytes', 'number']);
  assert.deepEqual(
    wrong.map((it) => it.pointer),
    ['/args/list/1/wide'],
  );
  assert.deepEqual(value, {
    size: { wide: 3, unit: 'em' },
    list: [
      { wide: 1, unit: 'em' },
      { wide: 2, unit: 'em' },
    ],
    mode: 'slow',
    maybe: null,
    any: { deep: [1] },
    picture: 'aGVsbG8=',
    'a/b~c': 2.5,
  });
  const events = await tab.evaluate(async () => {
    const { Parser } = await import(new URL('ui/live.js', document.baseURI));
    const out = [];
    const parser = new Parser((event) => out.push([parser.id, event.type, event.data]));
    for (const piece of [
      'id: 7\nevent: jo',
      'bs\ndata: {"a":\r',
      '\ndata: 1}\r\n\r\n: alive\n\n',
      'id: 8\nevent: gap\ndata:\n',
      '\n',
    ])
      parser.push(piece);
    return out;
  });
  assert.deepEqual(events, [
    ['7', 'jobs', { a: 1 }],
    ['8', 'gap', null],
  ]);
  return close(tab);
}

/** On a phone the pages are behind a button. */
export async function phoneMenu(browser) {
  const tab = await open(browser, { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  await visit(tab, '#/');
  const link = tab.locator('nav').getByRole('link', { name: 'Workers' });
  assert.ok(!(await link.isVisible()), 'the menu is open from the start');
  await tab.getByRole('button', { name: 'Menu' }).tap();
  await accessible(tab, 'the menu');
  await fits(tab, 'the menu');
  await shot(tab, 'menu-phone');
  await link.tap();
  await tab.locator('h1').getByText('Workers').waitFor();
  assert.ok(!(await link.isVisible()), 'the menu stays open');
  return close(tab);
}

/** A viewer is not shown what a viewer may not do. */
export async function viewerSees(browser, { module, viewer }, seeded) {
  if (!viewer) return 'skipped: the fixture has no token of a viewer';
  const tab = await open(browser, { as: viewer });
  for (const hash of [`#/jobs/${seeded.fail}`, '#/dead', '#/queues', `#/modules/${module}`, '#/schedules']) {
    await visit(tab, hash);
    const names = await tab.locator('main').getByRole('button').allTextContents();
    assert.deepEqual(
      names.filter((it) => !/^(Download|Show|All \d)/.test(it)),
      [],
      `buttons of ${hash}`,
    );
  }
  assert.equal(await tab.locator('nav').getByText('Enqueue').count(), 0);
  return close(tab);
}
