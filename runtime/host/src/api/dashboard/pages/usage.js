// What attempts used, by day and by task.

import { get, path } from '../api.js';
import { h } from '../dom.js';
import { bytes, count, exact, span } from '../format.js';
import { empty, head, panel, table, taskLink } from '../parts.js';

const DAYS = 30;

export const page = {
  title: () => 'Usage',
  wants: () => false,
  load: async (view, signal) => {
    const of = (by) => get(path('usage', { days: DAYS, by }), signal);
    const [days, tasks] = await Promise.all([of('day'), of('task')]);
    return { days: days.usage.reverse(), tasks: tasks.usage.sort((a, b) => b.cpu - a.cpu) };
  },
  view: (view, { days, tasks }) => [
    head('Usage'),
    days.length === 0
      ? empty('Nothing has run yet.', 'lovage usage')
      : [
          h('p', { class: 'dim' }, `The last ${DAYS} days, in UTC.`),
          panel('By task', {}, of('Usage by task', 'Task', (it) => (it.task ? taskLink(it.task) : 'others'), tasks)),
          panel('By day', {}, of('Usage by day', 'Day', (it) => it.day, days)),
        ],
  ],
};

function of(caption, first, name, rows) {
  return table(
    caption,
    [
      { head: first, cell: name },
      { head: 'Attempts', num: true, cell: (it) => h('span', { title: exact(it.attempts) }, count(it.attempts)) },
      { head: 'CPU time', num: true, cell: (it) => span(it.cpu) },
      { head: 'Memory × time', num: true, cell: (it) => `${bytes(Math.round(it.memory_time * 1024 * 1024))} s` },
      { head: 'Fuel', num: true, cell: (it) => h('span', { title: exact(it.fuel) }, count(it.fuel)) },
      { head: 'Ran', num: true, cell: (it) => span(it.seconds) },
    ],
    rows,
    (it) => it.task ?? it.day,
  );
}
