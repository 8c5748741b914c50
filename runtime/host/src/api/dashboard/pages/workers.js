// The workers that live, and what each of them runs now.

import { get, path } from '../api.js';
import { h } from '../dom.js';
import { ago, exact, plural } from '../format.js';
import { empty, head, jobLink, panel, progress, queueLink, table, taskLink, time } from '../parts.js';

export const page = {
  title: () => 'Workers',
  load: (view, signal) => get(path('workers'), signal),
  view: (view, { workers }) => [
    head('Workers'),
    workers.length === 0
      ? empty('No worker lives: jobs wait until one does.', 'lovage worker --concurrency 20')
      : [
          h(
            'p',
            { class: 'dim' },
            `${plural(workers.length, 'worker')}, ${plural(
              workers.reduce((sum, it) => sum + it.concurrency, 0),
              'slot',
            )}, ${exact(workers.reduce((sum, it) => sum + (it.held ?? it.running.length), 0))} in use.`,
          ),
          workers.map((it) => h('div', { key: it.worker }, one(it))),
        ],
  ],
};

function one(it) {
  const busy = (it.held ?? it.running.length) + (it.others ?? 0);
  return panel(
    it.worker,
    { class: 'worker' },
    h(
      'p',
      { class: 'line' },
      h('span', null, `${it.host} · pid ${it.pid} · ${it.version}`),
      h('span', null, 'started ', time(it.started)),
      h(
        'span',
        null,
        'queues ',
        Object.entries(it.queues).map(([queue, weight], at) => [
          at > 0 && ', ',
          queueLink(queue),
          weight !== 1 && ` ×${weight}`,
        ]),
      ),
      h(
        'span',
        { class: 'progress' },
        h('progress', { max: it.concurrency, value: busy, 'aria-label': `Slots of ${it.worker} in use` }),
        ` ${busy} of ${it.concurrency} slots`,
      ),
      h('span', { title: it.expires }, `lease ends ${ago(it.expires)}`),
    ),
    it.running.length === 0
      ? h('p', { class: 'dim' }, it.others ? `It runs ${plural(it.others, 'job')} of other tenants.` : 'It is idle.')
      : table(
          `What ${it.worker} runs`,
          [
            { head: 'Job', cell: (job) => jobLink(job.id) },
            { head: 'Task', cell: (job) => taskLink(job.task) },
            { head: 'Queue', cell: (job) => queueLink(job.queue) },
            { head: 'Started', cell: (job) => time(job.started) },
            { head: 'Progress', cell: (job) => progress(job.progress, `Progress of ${job.id}`) ?? '–' },
          ],
          it.running,
          (job) => job.id,
        ),
  );
}
