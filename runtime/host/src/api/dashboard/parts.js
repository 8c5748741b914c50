// What several pages show in the same way.

import { h } from './dom.js';
import { href } from './router.js';
import { ago, exact, moment, short } from './format.js';

export const STATES = [
  'pending',
  'scheduled',
  'available',
  'running',
  'retryable',
  'completed',
  'discarded',
  'cancelled',
];
export const ENDED = new Set(['completed', 'discarded', 'cancelled']);

// An ending, or a flow's state, in the colours of the job's state that it leads to.
const LIKE = {
  failed: 'discarded',
  trapped: 'discarded',
  'out-of-fuel': 'discarded',
  'out-of-memory': 'discarded',
  deadline: 'discarded',
  'stack-overflow': 'discarded',
  'result-too-large': 'discarded',
  lost: 'retryable',
  'no-module': 'discarded',
  'host-error': 'discarded',
  expired: 'cancelled',
  building: 'pending',
  active: 'completed',
  paused: 'retryable',
  live: 'completed',
  missing: 'cancelled',
  job: 'completed',
  skipped: 'cancelled',
};

export const tone = (state) => LIKE[state] ?? (STATES.includes(state) ? state : 'pending');

/** A state in words, and in its colour. */
export const badge = (state, text = state) => h('span', { class: `badge st-${tone(state)}` }, text);

/** A time as how long ago it was; the whole of it is one hover away. */
export const time = (text) => (text ? h('time', { datetime: text, title: moment(text) }, ago(text)) : '–');

export const jobLink = (id) => h('a', { class: 'id', href: href('jobs', id), title: id }, short(id));

export const taskLink = (task) => h('a', { href: href('jobs', { task }) }, task);

export const queueLink = (queue) => h('a', { href: href('queues', queue) }, queue);

/** A button that does something; what is dangerous looks so. */
export function button(text, onclick, { kind = '', disabled = false, label, type = 'button', key } = {}) {
  return h('button', { type, class: kind, onclick, disabled, 'aria-label': label, key }, text);
}

/** A part of a page under a heading of its own. */
export function panel(title, props, ...children) {
  const { actions, ...rest } = props ?? {};
  const id = `panel-${title.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
  return h(
    'section',
    { ...rest, class: `panel ${rest.class ?? ''}`, 'aria-labelledby': id },
    h('header', null, h('h2', { id }, title), actions && h('div', { class: 'actions' }, actions)),
    ...children,
  );
}

/** The head of a page. */
export function head(title, ...actions) {
  return h(
    'div',
    { class: 'head', key: 'head' },
    h('h1', { tabindex: '-1' }, title),
    h('div', { class: 'actions' }, actions),
  );
}

/**
 * A table that scrolls within itself. A column is `{ head, cell, num, wide }`; `key` names a row.
 */
export function table(label, columns, rows, key) {
  return h(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label },
    h(
      'table',
      null,
      h(
        'thead',
        null,
        h(
          'tr',
          null,
          columns.map((it) =>
            h(
              'th',
              { scope: 'col', class: it.num && 'num' },
              it.head || h('span', { class: 'hidden' }, it.hidden ?? 'Actions'),
            ),
          ),
        ),
      ),
      h(
        'tbody',
        null,
        rows.map((row) =>
          h(
            'tr',
            { key: key(row) },
            columns.map((it, at) => {
              const props = {
                class: [it.num && 'num', it.wide && 'wide', !it.head && 'do'].filter(Boolean).join(' ') || null,
              };
              return at === 0 && !it.plain
                ? h('th', { ...props, scope: 'row' }, it.cell(row))
                : h('td', props, it.cell(row));
            }),
          ),
        ),
      ),
    ),
  );
}

/** What stands where there is nothing, and the command that would change that. */
export const empty = (text, command) =>
  h('div', { class: 'empty' }, h('p', null, text), command && h('pre', null, h('code', null, command)));

/** What went wrong, in the server's words. */
export function problem(it) {
  if (!it) return null;
  const text = it.detail || (it.title ? '' : it.message);
  return h(
    'div',
    { class: 'problem', role: 'alert', key: 'problem' },
    h('strong', null, it.title ?? 'error'),
    text && h('p', null, text),
    it.retryAfter && h('p', null, `Try again in ${it.retryAfter} s.`),
    it.errors?.length > 0 &&
      h(
        'ul',
        null,
        it.errors.map((one) => h('li', null, h('code', null, one.pointer), ' ', one.detail)),
      ),
  );
}

/** What an author wrote about a task: its paragraphs, whose lines ended where the source's did. */
export const doc = (written) =>
  written &&
  h(
    'div',
    { class: 'doc' },
    written.split(/\n\s*\n/).map((it) => h('p', null, it.replaceAll('\n', ' '))),
  );

/** Names and what they are. */
export const facts = (pairs) =>
  h(
    'dl',
    { class: 'facts' },
    pairs
      .filter(Boolean)
      .map(([name, value]) => h('div', { key: name }, h('dt', null, name), h('dd', null, value ?? '–'))),
  );

/** One number that matters. */
export function stat(label, value, { to, note, state } = {}) {
  const body = [
    h('span', { class: 'stat-label' }, label),
    h('span', { class: `stat-value ${state ? `tone-${state}` : ''}` }, value),
    h('span', { class: 'stat-note' }, note ?? ''),
  ];
  return to ? h('a', { class: 'stat', href: to, key: label }, body) : h('div', { class: 'stat', key: label }, body);
}

/** How far a job is. */
export function progress(it, label = 'Progress') {
  if (!it) return null;
  const share = Math.round((it.share ?? 0) * 100);
  return h(
    'span',
    { class: 'progress' },
    h('progress', { max: '100', value: share, 'aria-label': label }),
    ` ${share} %`,
    it.message && ` · ${it.message}`,
  );
}

// Past this, colours cost more than they tell.
const COLOURED = 20_000;
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** A value as JSON. */
export function json(value, label) {
  const text = JSON.stringify(value, null, 2) ?? 'null';
  const out = [];
  let at = 0;
  if (text.length <= COLOURED) {
    for (const match of text.matchAll(TOKEN)) {
      out.push(text.slice(at, match.index));
      const kind = match[2] ? 'name' : match[1] ? 'text' : 'value';
      out.push(h('span', { class: `j-${kind}` }, match[1] ?? match[0]), match[2] ?? '');
      at = match.index + match[0].length;
    }
  }
  out.push(text.slice(at));
  return h('pre', { class: 'code', tabindex: '0', role: 'region', 'aria-label': label }, h('code', null, out));
}

/** Text as it is, such as a log. */
export const text = (content, label, props = {}) =>
  h('pre', { class: 'code', tabindex: '0', role: 'region', 'aria-label': label, ...props }, h('code', null, content));

/** A link that is a filter: pressed while it holds. */
export const tab = (label, to, current, number) =>
  h(
    'a',
    { href: to, class: 'tab', 'aria-current': current ? 'true' : null, key: label },
    label,
    number !== undefined && h('span', { class: 'tally' }, exact(number)),
  );

/** A field of a form with its label. */
export const field = (label, input, note) =>
  h('label', { class: 'field' }, h('span', null, label), input, note && h('small', null, note));

export const select = (name, options, value, props = {}) =>
  h(
    'select',
    { name, value, ...props },
    options.map((it) => {
      const [own, label] = Array.isArray(it) ? it : [it, it];
      return h('option', { value: own, key: own }, label);
    }),
  );
