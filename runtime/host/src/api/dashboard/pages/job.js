// One job: what it was given, what became of it, and each of its attempts.

import { download, get, path, post, remove, request } from '../api.js';
import { confirm } from '../dialog.js';
import { h } from '../dom.js';
import { ago, between, bytes, count, exact, moment, short, span } from '../format.js';
import {
  badge,
  button,
  ENDED,
  facts,
  head,
  json,
  panel,
  progress,
  queueLink,
  table,
  taskLink,
  text,
  time,
} from '../parts.js';
import { go, href } from '../router.js';
import { timeline } from '../timeline.js';

// As much of a large value as a page shows; all of it is a download.
const SHOWN = 64 * 1024;
// Progress comes as events; a log that grows does not.
const LOOK_EVERY = 1500;

export const page = {
  title: (view) => `Job ${short(view.params.id)}`,
  stream: (view) => ({ job: view.params.id }),
  async load(view, signal) {
    const job = await get(path('jobs', view.params.id), signal);
    clearTimeout(view.state.look);
    if (!ENDED.has(job.state)) view.state.look = setTimeout(() => view.soon(), LOOK_EVERY);
    return job;
  },
  view: (view, job) => [
    head(
      h('span', null, job.task, ' ', badge(job.state), job.cancelling && h('span', { class: 'dim' }, ' asked to stop')),
      actions(view, job),
    ),
    h('p', { class: 'id whole' }, job.id),
    job.state === 'running' &&
      h(
        'p',
        { class: 'running' },
        progress(job.progress) ?? h('span', { class: 'dim' }, `runs since ${ago(job.started)}`),
      ),
    about(job),
    failure(job),
    panel('Timeline', {}, timeline(job)),
    h(
      'div',
      { class: 'pair' },
      value(view, job, 'Input', 'input', job.input_blob),
      job.state === 'completed' && value(view, job, 'Result', 'result', job.result_blob),
    ),
    job.log !== null &&
      job.log !== undefined &&
      panel(
        'Log',
        { actions: badge('running', 'live') },
        job.log === '' ? h('p', { class: 'dim' }, 'It has written nothing yet.') : text(job.log, 'Live log'),
      ),
    attempts(view, job),
  ],
};

function actions(view, job) {
  if (!view.can('producer')) return null;
  const act = (word) => () =>
    view.act(async () => {
      const { became } = await post(path('jobs', job.id, word));
      return `${short(job.id)}: ${became === 'asked' ? 'asked to stop' : became}`;
    });
  return [
    ENDED.has(job.state) &&
      button('Retry', act('requeue'), { kind: job.state === 'completed' ? '' : 'primary', key: 'retry' }),
    !ENDED.has(job.state) && button('Cancel', act('cancel'), { key: 'cancel', disabled: job.cancelling }),
    job.state !== 'running' &&
      button(
        'Delete',
        async () => {
          if (!(await confirm('Delete this job?', 'Its input, result, log and attempts go with it.', 'Delete'))) return;
          try {
            await remove(path('jobs', job.id));
            go(href('jobs'), true);
          } catch (error) {
            await view.act(() => {
              throw error;
            });
          }
        },
        { kind: 'danger', key: 'delete' },
      ),
  ];
}

function about(job) {
  const { options = {} } = job;
  const headers = Object.entries(options.headers ?? {}).filter(([name]) => name !== 'tags');
  const tags = options.headers?.tags?.split(',').filter(Boolean) ?? [];
  const limits = ['max_attempts', 'max_age', 'timeout', 'soft_timeout', 'fuel', 'memory', 'backoff'].filter(
    (name) => options[name] !== null && options[name] !== undefined,
  );
  return facts([
    ['Task', taskLink(job.task)],
    ['Queue', [queueLink(job.queue), job.lane && ` / ${job.lane}`]],
    ['Priority', job.priority],
    ['Enqueued', h('span', null, time(job.enqueued), h('small', null, moment(job.enqueued)))],
    !ENDED.has(job.state) && job.state !== 'running' && job.available && ['Due', time(job.available)],
    job.started && [
      'Waited',
      span(
        between(
          job.attempts?.[0]?.started && job.attempts.length ? job.enqueued : (job.available ?? job.enqueued),
          job.attempts?.[0]?.started ?? job.started,
        ),
      ),
    ],
    job.finished && ['Finished', time(job.finished)],
    ['Fuel', count(job.fuel)],
    job.expiry && ['Expires', time(job.expiry)],
    job.pin !== 'active' && ['Release', typeof job.pin === 'object' ? JSON.stringify(job.pin) : job.pin],
    job.flow && [
      'Flow',
      h('a', { class: 'id', href: href('flows', job.flow.id ?? job.flow) }, short(String(job.flow.id ?? job.flow))),
    ],
    options.parent && ['Parent', h('a', { class: 'id', href: href('jobs', options.parent) }, short(options.parent))],
    job.key && ['Key', job.key],
    job.result_ttl && ['Kept', job.result_ttl],
    tags.length > 0 && [
      'Tags',
      tags.map((tag) => h('a', { class: 'tag', key: tag, href: href('jobs', { tag }) }, tag)),
    ],
    ...headers.map(([name, it]) => [name, String(it)]),
    ...limits.map((name) => [
      name.replace('_', ' '),
      typeof options[name] === 'object' ? JSON.stringify(options[name]) : options[name],
    ]),
  ]);
}

function failure(job) {
  const last = job.attempts?.at(-1);
  if (!last?.failure || job.state === 'completed') return null;
  const { kind, message, ...rest } = last.failure;
  const detail = rest.details ?? rest.detail;
  return h(
    'section',
    { class: 'failure', 'aria-label': 'Error' },
    h(
      'p',
      null,
      badge(last.ending),
      ' ',
      h('code', null, kind),
      rest.retry &&
        h(
          'span',
          { class: 'dim' },
          ` · retry: ${rest.retry}`,
        ),
    ),
    h('p', { class: 'message' }, message),
    detail &&
      h(
        'pre',
        { class: 'code', tabindex: '0', role: 'region', 'aria-label': 'Details of the error' },
        typeof detail === 'string' ? detail : JSON.stringify(detail, null, 2),
      ),
  );
}

function value(view, job, title, name, blob) {
  const at = path('jobs', job.id, name);
  const fetched = view.state[name];
  const load = () =>
    view.act(async () => {
      const response = await request(at, { headers: { Accept: 'application/json' } });
      const all = await response.text();
      view.state[name] = { text: all.slice(0, SHOWN), cut: all.length > SHOWN };
    });
  return panel(
    title,
    {
      actions: button(
        'Download',
        () =>
          download(at, `${job.id}-${name}`).catch((error) =>
            view.act(() => {
              throw error;
            }),
          ),
        { kind: 'quiet', label: `Download the ${name}` },
      ),
    },
    !blob
      ? json(job[name], title)
      : [
          h('p', null, `${bytes(blob.size)}, digest `, h('code', null, short(blob.digest)), ' '),
          fetched ? text(fetched.text, title) : button(`Show the ${name}`, load),
          fetched?.cut && h('p', { class: 'dim' }, `The first ${bytes(SHOWN)} of it: download it for the rest.`),
        ],
  );
}

function attempts(view, job) {
  const all = job.attempts ?? [];
  return panel(
    'Attempts',
    {},
    all.length === 0
      ? h('p', { class: 'dim' }, job.state === 'running' ? 'Its first attempt runs.' : 'It has not been tried yet.')
      : [
          table(
            'Attempts',
            [
              { head: '#', cell: (it) => it.delivery },
              { head: 'Ending', cell: (it) => badge(it.ending) },
              { head: 'Started', cell: (it) => time(it.started) },
              { head: 'Time', num: true, cell: (it) => span(it.seconds) },
              { head: 'Fuel', num: true, cell: (it) => h('span', { title: exact(it.fuel) }, count(it.fuel)) },
              { head: 'Peak memory', num: true, cell: (it) => bytes(it.peak_memory) },
              { head: 'Release', num: true, cell: (it) => it.release ?? '–' },
              { head: 'Digest', cell: (it) => h('code', { title: it.digest }, it.digest?.slice(0, 12) ?? '–') },
              { head: 'Worker', cell: (it) => h('code', null, it.worker) },
              {
                head: 'Error',
                wide: true,
                cell: (it) => it.failure && [h('code', null, it.failure.kind), ' ', it.failure.message],
              },
            ],
            all,
            (it) => it.delivery,
          ),
          all.map(
            (it, at) =>
              it.log &&
              h(
                'details',
                { key: it.delivery, open: at === all.length - 1, class: 'log' },
                h('summary', null, `Log of attempt ${it.delivery}`),
                text(it.log, `Log of attempt ${it.delivery}`),
              ),
          ),
        ],
  );
}
