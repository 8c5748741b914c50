// One queue: what stands where, its limit, its lanes.

import { get, path, post } from '../api.js';
import { confirm } from '../dialog.js';
import { h } from '../dom.js';
import { exact, span } from '../format.js';
import { editLimit, hold, limitText } from '../limits.js';
import { badge, button, empty, head, panel, stat, STATES, table, time } from '../parts.js';
import { href } from '../router.js';

export const page = {
  title: (view) => `Queue ${view.params.queue}`,
  wants: (event, view) => !event.data?.queue || event.data.queue === view.params.queue,
  async load(view, signal) {
    const { queue } = view.params;
    const [one, lanes] = await Promise.all([
      get(path('queues', queue), signal),
      get(path('queues', queue, 'lanes', { limit: 100 }), signal),
    ]);
    return { queue: one, lanes: lanes.lanes };
  },
  view(view, { queue: it, lanes }) {
    const scope = `queue:${it.queue}`;
    return [
      head(
        h('span', null, h('span', { class: 'dim' }, 'Queue '), it.queue, it.paused && [' ', badge('paused')]),
        hold(view, { scope, paused: it.paused }),
        view.can('deployer') && button('Edit limit', () => editLimit(view, scope, it.limit ?? {})),
        view.can('deployer') && button('Purge', () => purge(view, it), { kind: 'danger' }),
      ),
      h(
        'div',
        { class: 'stats' },
        STATES.filter((state) => state !== 'cancelled').map((state) =>
          stat(state, exact(it[state] ?? 0), {
            to: href('jobs', { state, queue: it.queue }),
            state: state === 'discarded' && it[state] ? 'discarded' : null,
          }),
        ),
        stat('latency', span(it.latency), { note: 'of the oldest' }),
        stat('backlog', span(it.backlog), { note: 'of work' }),
      ),
      h('p', null, h('span', { class: 'dim' }, 'Limit: '), limitText(it.limit)),
      panel(
        'Lanes',
        {
          actions: view.can('deployer') && button('Limit all lanes', () => editLimit(view, `lanes:${it.queue}`)),
        },
        lanes.length === 0
          ? empty(
              'No lane waits here. Lanes share a queue in turn, so that none starves another.',
              `lovage call basics.add a=1 b=2 --queue ${it.queue} --lane user-42`,
            )
          : table(
              'Lanes',
              [
                {
                  head: 'Lane',
                  cell: (lane) => [
                    lane.lane === '' ? h('span', { class: 'dim' }, '(none)') : lane.lane,
                    lane.paused && [' ', badge('paused')],
                  ],
                },
                { head: 'Available', num: true, cell: (lane) => exact(lane.available) },
                { head: 'Oldest', num: true, cell: (lane) => time(lane.oldest) },
                { head: 'Limit', cell: (lane) => limitText(lane.limit) },
                {
                  head: '',
                  cell: (lane) =>
                    lane.lane !== '' &&
                    view.can('deployer') &&
                    h(
                      'span',
                      { class: 'actions' },
                      button('Edit', () => editLimit(view, `lane:${it.queue}/${lane.lane}`, lane.limit ?? {}), {
                        label: `Edit the limit of lane ${lane.lane}`,
                      }),
                      hold(view, { scope: `lane:${it.queue}/${lane.lane}`, paused: lane.paused }),
                    ),
                },
              ],
              lanes,
              (lane) => lane.lane,
            ),
      ),
    ];
  },
};

async function purge(view, it) {
  const sent = await confirm(
    `Purge ${it.queue}?`,
    'All that waits in this queue is cancelled: scheduled, available and retryable jobs. What runs goes on.',
    'Purge',
  );
  if (!sent) return;
  await view.act(async () => {
    const { cancelled } = await post(path('queues', it.queue, 'purge'));
    return `${exact(cancelled)} jobs of ${it.queue} are cancelled`;
  });
}
