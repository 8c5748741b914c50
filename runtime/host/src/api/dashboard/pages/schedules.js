// Schedules and when they fire next.

import { get, path } from '../api.js';
import { h } from '../dom.js';
import { exact } from '../format.js';
import { badge, empty, head, table, taskLink, time } from '../parts.js';
import { scheduleActions } from './schedule.js';
import { href } from '../router.js';

export const page = {
  title: () => 'Schedules',
  wants: (event) => event.type !== 'progress',
  load: (view, signal) => get(path('schedules'), signal),
  view: (view, { schedules }) => [
    head('Schedules'),
    schedules.length === 0
      ? empty(
          'No schedule yet. One stands in `lovage.toml`, in a task, or is added by hand.',
          'lovage schedules add nightly basics.add --cron "0 3 * * *" a=1 b=2',
        )
      : table(
          'Schedules',
          [
            {
              head: 'Schedule',
              cell: (it) => [
                h('a', { href: href('schedules', it.name) }, it.name),
                it.paused && [' ', badge('paused')],
              ],
            },
            { head: 'When', cell: (it) => it.when },
            { head: 'Task', cell: (it) => taskLink(it.task) },
            { head: 'Next', cell: (it) => (it.paused ? '–' : time(it.next)) },
            {
              head: 'After that',
              cell: (it) => !it.paused && it.upcoming?.slice(1, 4).map((at, number) => [number > 0 && ', ', time(at)]),
            },
            { head: 'Fired', num: true, cell: (it) => exact(it.fired) },
            { head: 'Missed', num: true, cell: (it) => exact(it.missed) },
            { head: 'Owner', cell: (it) => it.owner },
            { head: '', cell: (it) => h('span', { class: 'actions' }, scheduleActions(view, it)) },
          ],
          schedules,
          (it) => it.name,
        ),
  ],
};
