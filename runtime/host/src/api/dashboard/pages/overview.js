// How the whole of it does: headline numbers, what was done over time, and which tasks it was spent on.

import { get, path } from '../api.js';
import { chart, spread } from '../chart.js';
import { h } from '../dom.js';
import { count, exact, plural, span } from '../format.js';
import { empty, head, panel, stat, tab, table, taskLink } from '../parts.js';
import { href } from '../router.js';

const RANGES = {
  '1h': [3600, '1m', 60],
  '6h': [21_600, '5m', 300],
  '24h': [86_400, '5m', 300],
  '7d': [604_800, '1h', 3600],
};
// The history is summed up by the minute: there is no use in asking for it each second.
const HISTORY_EVERY = 5000;
const NAMED = 5;

const range = (view) => (RANGES[view.query.range] ? view.query.range : '1h');

async function history(view, signal) {
  if (view.state.history && Date.now() - view.state.asked < HISTORY_EVERY) return view.state.history;
  const [seconds, text, step] = RANGES[range(view)];
  const to = Math.ceil(Date.now() / 1000 / step) * step;
  const from = new Date((to - seconds) * 1000).toISOString();
  const answer = await get(
    path('history', { from, to: new Date(to * 1000).toISOString(), step: text, by: 'task' }),
    signal,
  );
  const stepped = answer.step || step;
  const begin = Date.parse(answer.from ?? from);
  view.state.asked = Date.now();
  view.state.history = {
    series: answer.series,
    from: begin,
    step: stepped,
    times: Array.from({ length: Math.max(2, Math.round(seconds / stepped)) }, (_, at) => begin + at * stepped * 1000),
  };
  return view.state.history;
}

export const page = {
  title: () => 'Overview',
  name: 'overview',
  async load(view, signal) {
    const [past, queues, workers] = await Promise.all([
      history(view, signal),
      get(path('queues'), signal),
      get(path('workers'), signal),
    ]);
    return { past, queues: queues.queues, workers: workers.workers };
  },
  view(view, { past, queues, workers }) {
    const sum = (name) => queues.reduce((all, it) => all + (it[name] ?? 0), 0);
    const tasks = totals(past.series);
    const now = range(view);
    const done = tasks.reduce((all, it) => all + it.completed, 0);
    const failed = tasks.reduce((all, it) => all + it.retried + it.discarded, 0);
    const slots = workers.reduce((all, it) => all + it.concurrency, 0);
    const oldest = Math.max(0, ...queues.map((it) => it.latency ?? 0));
    return [
      head(
        'Overview',
        h(
          'div',
          { class: 'tabs', role: 'group', 'aria-label': 'Range' },
          Object.keys(RANGES).map((it) => tab(it, it === '1h' ? '#/' : href({ range: it }), it === now)),
        ),
      ),
      h(
        'div',
        { class: 'stats' },
        stat('Running', exact(sum('running')), {
          to: href('jobs', { state: 'running' }),
          note: `of ${plural(slots, 'slot')}`,
          state: 'running',
        }),
        stat('Available', exact(sum('available')), {
          to: href('jobs', { state: 'available' }),
          note: oldest ? `oldest waits ${span(oldest)}` : 'nothing waits',
        }),
        stat('Later', exact(sum('scheduled') + sum('retryable')), {
          to: href('jobs', { state: 'scheduled' }),
          note: `${count(sum('retryable'))} to retry`,
        }),
        stat('Dead', exact(sum('discarded')), {
          to: href('dead'),
          note: 'given up',
          state: sum('discarded') ? 'discarded' : null,
        }),
        stat('Workers', exact(workers.length), { to: href('workers'), note: workers.length ? 'live' : 'none is live' }),
        stat('Done', count(done), {
          note: `in ${now}, ${done + failed ? Math.round((failed / (done + failed)) * 1000) / 10 : 0} % failed`,
        }),
      ),
      h('div', { class: 'charts' }, charts(view, past, tasks)),
      panel(
        'Tasks',
        {},
        tasks.length === 0
          ? empty('No job has ended in this time.', 'lovage call basics.add a=1 b=2 --wait')
          : table(
              'Tasks by jobs done',
              [
                { head: 'Task', cell: (it) => (it.task === BEYOND ? BEYOND : taskLink(it.task)) },
                { head: 'Completed', num: true, cell: (it) => exact(it.completed) },
                { head: 'Retried', num: true, cell: (it) => exact(it.retried) },
                {
                  head: 'Discarded',
                  num: true,
                  cell: (it) =>
                    it.discarded ? h('a', { href: href('dead', { task: it.task }) }, exact(it.discarded)) : '0',
                },
                { head: 'Run', num: true, cell: (it) => span(mean(it.seconds, attempts(it))) },
                { head: 'Waited', num: true, cell: (it) => span(mean(it.waited, attempts(it))) },
                { head: 'Longest wait', num: true, cell: (it) => span(it.waited_most) },
                { head: 'Fuel', num: true, cell: (it) => count(it.fuel) },
                { head: 'Fuel a job', num: true, cell: (it) => count(Math.round(mean(it.fuel, attempts(it)) ?? 0)) },
              ],
              tasks,
              (it) => it.task,
            ),
      ),
    ];
  },
};

const FIELDS = ['completed', 'retried', 'discarded', 'cancelled', 'seconds', 'waited', 'fuel'];
// The history keeps only so many names a minute; what is beyond has none.
const BEYOND = '(more)';
const nameOf = (it) => it.task || BEYOND;
const attempts = (it) => it.completed + it.retried + it.discarded;
const mean = (sum, number) => (number ? sum / number : null);

function totals(series) {
  return series
    .map((it) => {
      const all = { task: nameOf(it), waited_most: 0 };
      for (const name of FIELDS) all[name] = it.points.reduce((sum, point) => sum + (point[name] ?? 0), 0);
      all.waited_most = Math.max(0, ...it.points.map((point) => point.waited_most ?? 0));
      return all;
    })
    .sort((one, other) => attempts(other) - attempts(one));
}

function charts(view, { series, from, step, times }, tasks) {
  const length = times.length;
  const by = (value) => {
    const named = tasks
      .filter((it) => value(it) > 0)
      .sort((one, other) => value(other) - value(one))
      .slice(0, NAMED)
      .map((it) => it.task);
    const rows = named.map((task) => ({
      name: task,
      values: spread(series.find((it) => nameOf(it) === task).points, from, step, length, value),
    }));
    const rest = series.filter((it) => !named.includes(nameOf(it))).flatMap((it) => it.points);
    if (rest.some((it) => value(it) > 0))
      rows.push({ name: 'others', values: spread(rest, from, step, length, value) });
    return rows;
  };
  const points = series.flatMap((it) => it.points);
  const whole = (value) => spread(points, from, step, length, value);
  const ran = whole(attempts);
  const average = (name) => whole((it) => it[name] ?? 0).map((sum, at) => (ran[at] ? sum / ran[at] : null));
  const total = (it) => exact(it.values.reduce((sum, value) => sum + value, 0));
  const middle = (it) => {
    const known = it.values.filter((value) => value !== null);
    return known.length ? `${span(known.reduce((sum, value) => sum + value, 0) / known.length)}` : '–';
  };
  return [
    chart(view, {
      title: 'Throughput',
      note: `jobs done, a step of ${span(step)}`,
      kind: 'area',
      times,
      format: count,
      total,
      series: by((it) => it.completed),
    }),
    chart(view, {
      title: 'Latency',
      note: 'mean of a job',
      kind: 'line',
      times,
      format: span,
      total: middle,
      series: [
        { name: 'waited', values: average('waited') },
        { name: 'run', values: average('seconds') },
      ],
    }),
    chart(view, {
      title: 'Failures',
      note: 'attempts and jobs',
      kind: 'bars',
      times,
      format: count,
      total,
      series: [
        { name: 'retried', colour: 2, values: whole((it) => it.retried ?? 0) },
        { name: 'discarded', colour: 'red', values: whole((it) => it.discarded ?? 0) },
        { name: 'cancelled', colour: 5, values: whole((it) => it.cancelled ?? 0) },
      ],
    }),
    chart(view, {
      title: 'Fuel',
      note: 'instructions, by task',
      kind: 'area',
      times,
      format: count,
      total: (it) => count(it.values.reduce((sum, value) => sum + value, 0)),
      series: by((it) => it.fuel ?? 0),
    }),
  ];
}
