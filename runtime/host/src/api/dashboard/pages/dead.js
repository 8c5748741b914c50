// The dead list: what was given up, by task and reason, and job by job.

import { get, path, post } from '../api.js';
import { confirm } from '../dialog.js';
import { h } from '../dom.js';
import { exact, plural } from '../format.js';
import { bulk, choosable } from './jobs.js';
import { button, empty, head, panel, table, time } from '../parts.js';
import { href } from '../router.js';

export const page = {
  title: () => 'Dead list',
  async load(view, signal) {
    const { task, reason, queue, cursor } = view.query;
    const [groups, list] = await Promise.all([
      get(path('dead', 'groups'), signal),
      get(path('dead', { task, reason, queue, cursor, limit: 50 }), signal),
    ]);
    return { groups: groups.groups, complete: groups.complete !== false, jobs: list.jobs, next: list.next };
  },
  view(view, { groups, complete, jobs, next }) {
    const { task, reason, queue, cursor } = view.query;
    const chosen = task || reason || queue;
    if (groups.length === 0 && jobs.length === 0 && !chosen) {
      return [
        head('Dead list'),
        empty(
          'Nothing is dead. A job comes here when its retries are used up, or its task says that it never will work.',
          'lovage dead list',
        ),
      ];
    }
    return [
      head('Dead list'),
      panel(
        'By task and reason',
        {},
        table(
          'Dead jobs by task and reason',
          [
            {
              head: 'Task',
              cell: (it) => h('a', { href: href('dead', { task: it.task, reason: it.reason }) }, it.task),
            },
            { head: 'Reason', cell: (it) => h('code', null, it.reason) },
            { head: 'Jobs', num: true, cell: (it) => exact(it.jobs) },
            { head: 'Last', cell: (it) => time(it.last) },
            { head: 'Newest error', wide: true, cell: (it) => it.message },
            {
              head: '',
              cell: (it) =>
                view.can('producer') &&
                h(
                  'span',
                  { class: 'actions' },
                  button('Requeue all', () => all(view, it, 'requeue'), {
                    label: `Requeue all of ${it.task}, ${it.reason}`,
                  }),
                  button('Delete all', () => all(view, it, 'delete'), {
                    kind: 'danger',
                    label: `Delete all of ${it.task}, ${it.reason}`,
                  }),
                ),
            },
          ],
          groups,
          (it) => `${it.task} ${it.reason}`,
        ),
        !complete && h('p', { class: 'dim' }, 'There are very many: only the newest are counted here.'),
      ),
      panel(
        'Jobs',
        { actions: chosen && h('a', { class: 'button', href: href('dead') }, 'All of them') },
        chosen &&
          h(
            'p',
            { class: 'dim' },
            'Only ',
            [task && `task ${task}`, reason && `reason ${reason}`, queue && `queue ${queue}`]
              .filter(Boolean)
              .join(', '),
            '.',
          ),
        bulk(view, ['requeue', 'delete']),
        jobs.length === 0
          ? empty('None of these is left.')
          : choosable(view, 'Dead jobs', jobs, [
              {
                head: 'Error',
                wide: true,
                cell: (it) => {
                  const last = it.attempts?.at(-1);
                  return last?.failure ? [h('code', null, last.failure.kind), ' ', last.failure.message] : last?.ending;
                },
              },
            ]),
        h(
          'div',
          { class: 'pager' },
          cursor && h('a', { class: 'button', href: href('dead', { task, reason, queue }) }, 'Newest'),
          next &&
            h(
              'a',
              { class: 'button', href: href('dead', { task, reason, queue, cursor: next }), rel: 'next' },
              'Older',
            ),
        ),
      ),
    ];
  },
};

async function all(view, { task, reason, jobs }, word) {
  const what = `${plural(jobs, 'job')} of ${task} (${reason})`;
  const said =
    word === 'delete'
      ? 'Their inputs and logs go with them.'
      : 'Each starts anew, with all its retries, on the release that is active now.';
  if (
    !(await confirm(
      `${word === 'delete' ? 'Delete' : 'Requeue'} ${what}?`,
      said,
      word === 'delete' ? 'Delete all' : 'Requeue all',
      word === 'delete',
    ))
  )
    return;
  await view.act(async () => {
    const done = await post(path('dead', word), { task, reason });
    return `${exact(done.jobs)} ${word === 'delete' ? 'deleted' : 'requeued'}${done.more || done.left ? ': there are more' : ''}`;
  });
}
