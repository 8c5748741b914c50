// Jobs by state, task, queue and tag, a page at a time.

import { get, path, post } from '../api.js';
import { confirm } from '../dialog.js';
import { h } from '../dom.js';
import { between, plural, span } from '../format.js';
import {
  badge,
  button,
  empty,
  field,
  head,
  jobLink,
  progress,
  queueLink,
  select,
  STATES,
  table,
  taskLink,
  time,
} from '../parts.js';
import { go, href } from '../router.js';

const LIMIT = 50;

/** What a list of jobs says of each. */
export const columns = [
  { head: 'Job', cell: (it) => jobLink(it.id) },
  { head: 'Task', cell: (it) => taskLink(it.task) },
  {
    head: 'State',
    cell: (it) => [
      badge(it.state),
      it.cancelling && ' cancelling',
      it.state === 'running' &&
        it.progress &&
        h('span', { class: 'dim' }, progress(it.progress, `Progress of ${it.id}`)),
    ],
  },
  { head: 'Queue', cell: (it) => [queueLink(it.queue), it.lane && h('span', { class: 'dim' }, ` / ${it.lane}`)] },
  { head: 'Enqueued', cell: (it) => time(it.enqueued) },
  { head: 'Attempts', num: true, cell: (it) => Math.max(it.attempts?.length ?? 0, it.delivery ?? 0) },
  {
    head: 'Run',
    num: true,
    cell: (it) => span(it.attempts?.length ? it.attempts.at(-1).seconds : between(it.started, it.finished)),
  },
];

/** A list whose rows can be chosen; `chosen` is kept by the view. */
export function choosable(view, label, jobs, more = []) {
  view.state.chosen ??= new Set();
  const { chosen } = view.state;
  const pick = {
    head: h('span', { class: 'hidden' }, 'Chosen'),
    plain: true,
    cell: (it) =>
      h('input', {
        type: 'checkbox',
        'aria-label': `Choose ${it.id}`,
        checked: chosen.has(it.id),
        onchange: (event) => {
          if (event.target.checked) chosen.add(it.id);
          else chosen.delete(it.id);
          view.redraw();
        },
      }),
  };
  const [first, ...rest] = columns;
  const all = view.can('producer') ? [pick, first, ...rest, ...more] : [first, ...rest, ...more];
  return table(label, all, jobs, (it) => it.id);
}

/** What can be done with the jobs that are chosen. */
export function bulk(view, verbs) {
  const ids = [...(view.state.chosen ?? [])];
  if (ids.length === 0) return null;
  const all = () => {
    ids.forEach((id) => view.state.chosen.delete(id));
  };
  return h(
    'div',
    { class: 'bulk', role: 'group', 'aria-label': 'Chosen jobs' },
    `${plural(ids.length, 'job')} chosen`,
    verbs.map((verb) =>
      button(
        verb[0].toUpperCase() + verb.slice(1),
        async () => {
          if (
            verb === 'delete' &&
            !(await confirm(
              `Delete ${plural(ids.length, 'job')}?`,
              'Their inputs, results and logs go with them.',
              'Delete',
            ))
          )
            return;
          await view.act(async () => {
            const { jobs } = await post(path('jobs', verb), { ids });
            all();
            return words(jobs);
          });
        },
        { key: verb, kind: verb === 'delete' ? 'danger' : '' },
      ),
    ),
    button(
      'None',
      () => {
        all();
        view.redraw();
      },
      { kind: 'quiet' },
    ),
  );
}

/** What became of jobs: `3 cancelled, 1 ended`. */
export function words(jobs) {
  const tally = new Map();
  jobs.forEach((it) => tally.set(it.became, (tally.get(it.became) ?? 0) + 1));
  return [...tally].map(([became, number]) => `${number} ${became}`).join(', ') || 'nothing to do';
}

function filters(view) {
  const { query } = view;
  return h(
    'form',
    {
      class: 'filters',
      role: 'search',
      'aria-label': 'Filter jobs',
      key: JSON.stringify(query),
      onsubmit: (event) => {
        event.preventDefault();
        const form = Object.fromEntries([...new FormData(event.target)].map(([name, value]) => [name, value.trim()]));
        const { id, ...rest } = form;
        go(id ? href('jobs', id) : href('jobs', rest));
      },
    },
    field(
      'Id',
      h('input', { name: 'id', class: 'id', placeholder: '01a1ff71-…', autocomplete: 'off', spellcheck: 'false' }),
    ),
    field(
      'State',
      select('state', [['', 'all'], ...STATES], query.state ?? '', {
        onchange: (event) => event.target.form.requestSubmit(),
      }),
    ),
    field(
      'Task',
      h('input', {
        name: 'task',
        value: query.task ?? '',
        placeholder: 'images or images.thumbnail',
        autocomplete: 'off',
        spellcheck: 'false',
      }),
    ),
    field('Queue', h('input', { name: 'queue', value: query.queue ?? '', autocomplete: 'off', spellcheck: 'false' })),
    field('Tag', h('input', { name: 'tag', value: query.tag ?? '', autocomplete: 'off', spellcheck: 'false' })),
    h('button', { type: 'submit', class: 'primary' }, 'Search'),
  );
}

export const page = {
  title: () => 'Jobs',
  wants: (event) => ['jobs', 'flow', 'schedule'].includes(event.type),
  load: (view, signal) => {
    const { state, queue, task, tag, reason, cursor } = view.query;
    return get(path('jobs', { state, queue, task, tag, reason, cursor, limit: LIMIT }), signal);
  },
  view(view, { jobs, next }) {
    const { query } = view;
    const { cursor, ...rest } = query;
    return [
      head('Jobs', view.can('producer') && h('a', { class: 'button primary', href: href('enqueue') }, 'Enqueue')),
      filters(view),
      bulk(view, ['cancel', 'requeue', 'delete']),
      jobs.length === 0
        ? empty(Object.keys(query).length ? 'No job is like that.' : 'No job yet.', 'lovage call basics.add a=1 b=2')
        : choosable(view, 'Jobs', jobs),
      h(
        'div',
        { class: 'pager' },
        cursor && h('a', { class: 'button', href: href('jobs', rest) }, 'Newest'),
        next && h('a', { class: 'button', href: href('jobs', { ...rest, cursor: next }), rel: 'next' }, 'Older'),
      ),
      !query.state &&
        jobs.length >= LIMIT &&
        h(
          'p',
          { class: 'dim' },
          `At most ${LIMIT} are shown: first what runs and waits, then what has ended. Choose a state to see all of it.`,
        ),
    ];
  },
};
