// Flows, the newest first.

import { get, path } from '../api.js';
import { h } from '../dom.js';
import { between, exact, short, span } from '../format.js';
import { badge, empty, head, table, time } from '../parts.js';
import { href } from '../router.js';

const LIMIT = 50;

export const page = {
  title: () => 'Flows',
  wants: (event) => event.type !== 'progress',
  load: (view, signal) => get(path('flows', { limit: LIMIT, offset: view.query.offset }), signal),
  view(view, { flows }) {
    const offset = Number(view.query.offset ?? 0);
    return [
      head('Flows'),
      flows.length === 0
        ? empty(
            'No flow yet. A flow is calls that wait for others and take their results.',
            'lovage flow run report.json --wait',
          )
        : table(
            'Flows',
            [
              { head: 'Flow', cell: (it) => h('a', { href: href('flows', it.id) }, it.name || short(it.id)) },
              { head: 'State', cell: (it) => badge(it.state) },
              {
                head: 'Done',
                cell: (it) =>
                  h(
                    'span',
                    { class: 'progress' },
                    h('progress', {
                      max: it.nodes,
                      value: it.completed,
                      'aria-label': `Steps of ${it.name || it.id} done`,
                    }),
                    ` ${exact(it.completed)} of ${exact(it.nodes)}`,
                  ),
              },
              { head: 'Failed', num: true, cell: (it) => exact(it.failed) },
              { head: 'Begun', cell: (it) => time(it.begun) },
              { head: 'Took', num: true, cell: (it) => span(between(it.begun, it.ended)) },
              { head: 'Id', cell: (it) => h('span', { class: 'id', title: it.id }, short(it.id)) },
            ],
            flows,
            (it) => it.id,
          ),
      h(
        'div',
        { class: 'pager' },
        offset > 0 &&
          h('a', { class: 'button', href: href('flows', { offset: Math.max(0, offset - LIMIT) || '' }) }, 'Newer'),
        flows.length === LIMIT && h('a', { class: 'button', href: href('flows', { offset: offset + LIMIT }) }, 'Older'),
      ),
    ];
  },
};
