// The shell around the pages. It (1) asks who we are, and for a token where one is needed, (2) draws the page of the
// address, (3) keeps it fresh, (4) shows what went wrong, and (5) knows the keys.

import { get, onRefused, path, token } from './api.js';
import { help } from './dialog.js';
import { h, render } from './dom.js';
import { Live } from './live.js';
import { notices } from './notices.js';
import { button, head, problem } from './parts.js';
import { go, href, parse } from './router.js';

const NAV = [
  ['', 'Overview', 'o'],
  ['queues', 'Queues', 'q'],
  ['jobs', 'Jobs', 'j'],
  ['dead', 'Dead', 'd'],
  ['modules', 'Modules', 'm'],
  ['schedules', 'Schedules', 's'],
  ['flows', 'Flows', 'f'],
  ['workers', 'Workers', 'w'],
  ['usage', 'Usage', 'u'],
  ['enqueue', 'Enqueue', 'e', 'producer'],
];
const ROLES = ['viewer', 'producer', 'deployer', 'admin'];
// Events come in bursts; a page is asked for anew at most this often, and without any event this seldom.
const SOONEST = 1000;
const LATEST = 10_000;
const REDRAW = 5000;

const part = (id) => document.getElementById(id);
const app = { who: null, view: null, stream: 'waiting', menu: false };

const live = new Live(
  (event) => {
    const { view } = app;
    if (view && (event.type === 'gap' || !view.page.wants || view.page.wants(event, view))) view.soon();
  },
  (state) => {
    app.stream = state;
    frame();
  },
);

/** A page that is open: its address, its data, and what the user did to it. */
class View {
  constructor(route, page) {
    Object.assign(this, { ...route, page, hash: location.hash, state: {}, data: null, failed: null, closed: false });
    this.stop = new AbortController();
    this.last = 0;
  }

  get who() {
    return app.who;
  }

  /** Whether our role may do what `role` may. */
  can(role) {
    return ROLES.indexOf(app.who.role) >= ROLES.indexOf(role);
  }

  async refresh() {
    if (this.loading) {
      this.again = true;
      return this.loading;
    }
    this.loading = this.#load();
    await this.loading;
    this.loading = null;
    if (this.again && !this.closed) {
      this.again = false;
      this.soon();
    }
    return undefined;
  }

  async #load() {
    this.last = Date.now();
    try {
      this.data = await this.page.load(this, this.stop.signal);
      this.failed = null;
    } catch (error) {
      if (this.closed) return;
      if (!(error.status >= 0)) console.error(error);
      this.failed = error;
    }
    this.redraw();
  }

  /** Asks anew, but not more often than once a second, and not while nobody looks. */
  soon() {
    if (this.timer || this.closed || document.hidden || this.page.still) return;
    const wait = Math.max(50, this.last + SOONEST - Date.now());
    this.timer = setTimeout(() => {
      this.timer = null;
      if (!this.closed) this.refresh();
    }, wait);
  }

  redraw() {
    if (this.closed || app.view !== this) return;
    const title = this.page.title(this);
    document.title = `${title} · Lovage`;
    let body = !this.failed && h('p', { class: 'loading' }, 'Loading…');
    if (this.data !== null) {
      try {
        body = this.page.view(this, this.data);
      } catch (error) {
        // A server of another version may answer with what this page does not know.
        console.error(error);
        body = [head(title), problem({ title: 'the page cannot be drawn', detail: error.message })];
      }
    }
    render(
      part('main'),
      h(
        'div',
        { class: `page page-${this.page.name ?? this.root}`, key: this.hash },
        this.data === null && head(title),
        problem(this.failed),
        body,
      ),
    );
  }

  /** Does something, says what became of it, and looks anew. `what` answers with the words, or nothing. */
  async act(what) {
    try {
      const said = await what();
      if (said) notices.say(said);
    } catch (error) {
      notices.fail(error);
    }
    if (!this.closed) await this.refresh();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.stop.abort();
  }
}

async function open() {
  const route = parse(location.hash);
  const first = app.view === null;
  app.view?.close();
  app.menu = false;
  let page;
  try {
    ({ page } = await import(`./pages/${route.page}.js`));
  } catch (error) {
    return render(part('main'), problem({ title: 'the page could not be loaded', detail: error.message }));
  }
  if (parse(location.hash).page !== route.page) return undefined;
  const view = new View(route, page);
  app.view = view;
  frame();
  view.redraw();
  live.open(page.stream?.(view) ?? {});
  if (!first) part('main').querySelector('h1')?.focus({ preventScroll: true });
  scrollTo(0, 0);
  await view.refresh();
  if (!first && document.activeElement === document.body)
    part('main').querySelector('h1')?.focus({ preventScroll: true });
  return undefined;
}

function frame() {
  const { who, view, stream } = app;
  document.body.classList.toggle('menu', app.menu);
  const said = { live: 'live', waiting: 'connecting', off: 'not live' }[stream];
  render(
    part('top'),
    who &&
      h(
        'button',
        {
          type: 'button',
          class: 'menu-button',
          'aria-expanded': String(app.menu),
          'aria-controls': 'nav',
          onclick: () => {
            app.menu = !app.menu;
            frame();
          },
        },
        'Menu',
      ),
    h(
      'a',
      { class: 'brand', href: '#/' },
      h('img', { src: 'ui/icon.svg', alt: '', width: '22', height: '22' }),
      'Lovage',
    ),
    who &&
      h(
        'form',
        { class: 'search', role: 'search', onsubmit: search },
        h('input', {
          type: 'search',
          id: 'search',
          name: 'q',
          'aria-label': 'Search a job by id, or a task',
          placeholder: 'Job id or task',
          autocomplete: 'off',
          spellcheck: 'false',
        }),
        h('kbd', { 'aria-hidden': 'true' }, '/'),
      ),
    who && h('span', { class: `stream stream-${stream}`, role: 'status' }, h('i', { 'aria-hidden': 'true' }), said),
    who && h('span', { class: 'who' }, h('span', { title: 'tenant' }, who.tenant), ` · ${who.role}`),
    who?.authentication && button('Sign out', signOut, { kind: 'quiet broad' }),
    who && button('?', help, { kind: 'quiet', label: 'Keys' }),
  );
  render(
    part('nav'),
    who &&
      h(
        'ul',
        null,
        NAV.filter(([, , , role]) => !role || ROLES.indexOf(who.role) >= ROLES.indexOf(role)).map(([root, label]) =>
          h(
            'li',
            { key: label },
            h('a', { href: root ? href(root) : '#/', 'aria-current': view?.root === root ? 'page' : null }, label),
          ),
        ),
      ),
    who &&
      h(
        'p',
        { class: 'foot' },
        `lovage ${who.version}`,
        h('br'),
        h('a', { href: 'docs' }, 'API'),
        who.authentication && button('Sign out', signOut, { kind: 'narrow' }),
      ),
  );
}

function search(event) {
  event.preventDefault();
  const text = new FormData(event.target).get('q').trim();
  if (!text) return;
  event.target.reset();
  go(/^[0-9a-f]{8}-[0-9a-f-]+$/i.test(text) ? href('jobs', text.toLowerCase()) : href('jobs', { task: text }));
}

function signOut() {
  token.forget();
  location.reload();
}

async function signIn(failed = null) {
  live.close();
  app.view?.close();
  Object.assign(app, { who: null, view: null });
  frame();
  const { view } = await import('./pages/signin.js');
  document.title = 'Sign in · Lovage';
  render(
    part('main'),
    view(failed, async (text) => {
      token.set(text);
      await start();
    }),
  );
  part('main').querySelector('input')?.focus();
}

async function start() {
  let failed = null;
  onRefused(() => {});
  try {
    app.who = await get(path('whoami'));
  } catch (error) {
    if (error.status === 401) {
      const told = token.get() ? error : null;
      token.forget();
      return signIn(told);
    }
    failed = error;
  }
  if (failed) {
    // Nothing works without the server, so the page waits for it.
    setTimeout(start, 3000);
    return render(part('main'), problem(failed));
  }
  onRefused(() => {
    if (app.who) {
      token.forget();
      signIn({ title: 'signed out', detail: 'the token is no longer valid' });
    }
  });
  return open();
}

let before = '';
function key(event) {
  const { target } = event;
  if (!app.who || event.ctrlKey || event.metaKey || event.altKey || part('dialog').open) return;
  if (target.matches?.('input, select, textarea')) return;
  const page = before === 'g' && NAV.find(([, , letter]) => letter === event.key);
  before = event.key;
  if (page) go(page[0] ? href(page[0]) : '#/');
  else if (event.key === '/') part('search').focus();
  else if (event.key === '?') help();
  else return;
  event.preventDefault();
}

addEventListener('hashchange', () => {
  // The skip link's own hash is no address of ours.
  if (location.hash === '#main') return part('main').focus();
  return app.who && open();
});
addEventListener('keydown', key);
addEventListener('visibilitychange', () => {
  if (!document.hidden) app.view?.soon();
});
setInterval(() => {
  if (!document.hidden && app.view && Date.now() - app.view.last > LATEST) app.view.soon();
}, 1000);
setInterval(() => {
  if (!document.hidden && app.view?.data && !app.view.page.still) app.view.redraw();
}, REDRAW);
start();
