// All queues, and all limits.

import { get, path } from '../api.js';
import { h } from '../dom.js';
import { exact, span } from '../format.js';
import { editLimit, hold, limitText } from '../limits.js';
import { badge, button, empty, head, panel, queueLink, table } from '../parts.js';
import { href } from '../router.js';

export const page = {
  title: () => 'Queues',
  async load(view, signal) {
    const [queues, limits] = await Promise.all([get(path('queues'), signal), get(path('limits'), signal)]);
    return { queues: queues.queues, limits: limits.limits };
  },
  view(view, { queues, limits }) {
    const tally = (state) => (it) =>
      it[state] ? h('a', { href: href('jobs', { state, queue: it.queue }) }, exact(it[state])) : '0';
    return [
      head('Queues'),
      queues.length === 0
        ? empty('No queue yet: the first job makes one.', 'lovage call basics.add a=1 b=2 --queue mail')
        : table(
            'Queues',
            [
              { head: 'Queue', cell: (it) => [queueLink(it.queue), it.paused && [' ', badge('paused')]] },
              { head: 'Available', num: true, cell: tally('available') },
              { head: 'Running', num: true, cell: tally('running') },
              { head: 'Scheduled', num: true, cell: tally('scheduled') },
              { head: 'Retryable', num: true, cell: tally('retryable') },
              { head: 'Pending', num: true, cell: tally('pending') },
              {
                head: 'Dead',
                num: true,
                cell: (it) =>
                  it.discarded ? h('a', { href: href('dead', { queue: it.queue }) }, exact(it.discarded)) : '0',
              },
              { head: 'Latency', num: true, cell: (it) => span(it.latency) },
              { head: 'Backlog', num: true, cell: (it) => span(it.backlog) },
              { head: 'Limit', cell: (it) => limitText(it.limit) },
              { head: '', cell: (it) => hold(view, { scope: `queue:${it.queue}`, paused: it.paused }) },
            ],
            queues,
            (it) => it.queue,
          ),
      h(
        'p',
        { class: 'dim' },
        'Latency is how long the oldest available job has waited; the backlog is how many seconds of work wait.',
      ),
      panel(
        'Limits',
        { actions: view.can('deployer') && button('New limit', () => editLimit(view)) },
        limits.length === 0
          ? empty('Nothing is limited.', 'lovage limit queue:mail --rate 100/s --concurrency 5')
          : table(
              'Limits',
              [
                { head: 'Scope', cell: (it) => [h('code', null, it.scope), it.paused && [' ', badge('paused')]] },
                { head: 'Rate', cell: (it) => it.rate ?? '–' },
                { head: 'Running', num: true, cell: (it) => exact(it.running) },
                { head: 'Concurrency', num: true, cell: (it) => it.concurrency ?? '–' },
                { head: 'Depth', num: true, cell: (it) => it.depth ?? '–' },
                { head: 'Order', cell: (it) => it.order ?? '–' },
                { head: 'Set by', cell: (it) => it.by ?? '–' },
                {
                  head: '',
                  cell: (it) =>
                    view.can('deployer') &&
                    h(
                      'span',
                      { class: 'actions' },
                      button('Edit', () => editLimit(view, it.scope, it), { label: `Edit the limit of ${it.scope}` }),
                      hold(view, it),
                    ),
                },
              ],
              limits,
              (it) => it.scope,
            ),
      ),
    ];
  },
};
