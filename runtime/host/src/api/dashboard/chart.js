// Charts over time, drawn in SVG. The drawing stretches with the page, so its words stand around it as HTML; each chart
// has its numbers as a table, too.

import { h } from './dom.js';
import { clock } from './format.js';

const WIDTH = 1000;
const HEIGHT = 160;
const COLOURS = 6;

/** A round number that is no less than `value`. */
export function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((it) => it * power).find((it) => it >= value * 0.9999);
}

/** Values by their step: points of the history are only where something happened. */
export function spread(points, from, step, length, value) {
  const out = new Array(length).fill(0);
  for (const point of points) {
    const at = Math.floor((Date.parse(point.at) - from) / (step * 1000));
    if (at >= 0 && at < length) out[at] += value(point);
  }
  return out;
}

/**
 * A chart of `series` (`{ name, values, colour? }`) over `times` (milliseconds). `kind` is `area` or `bars`, both stacked, or `line`.
 * `total` says what a series comes to over the whole time.
 */
export function chart(view, { title, note, kind, series, times, format, total }) {
  const hover = view.state[title] ?? null;
  const shown = series.slice(0, COLOURS);
  const stacked = kind !== 'line';
  const length = times.length;
  const sums = times.map((_, at) => shown.reduce((sum, it) => sum + (it.values[at] ?? 0), 0));
  const highest = stacked
    ? Math.max(0, ...sums)
    : Math.max(0, ...shown.flatMap((it) => it.values.map((value) => value ?? 0)));
  const top = ceiling(highest);
  const x = (at) => (length < 2 ? 0 : (at / (length - 1)) * WIDTH);
  const y = (value) => HEIGHT - (value / top) * HEIGHT;
  const point = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    view.state[title] = Math.max(
      0,
      Math.min(length - 1, kind === 'bars' ? Math.floor(share * length) : Math.round(share * (length - 1))),
    );
    view.redraw();
  };
  const days = times.at(-1) - times[0] > 30 * 3_600_000;
  const at = hover === null ? null : Math.min(hover, length - 1);
  const spoken = `${title}: ${shown.map((it) => `${it.name} ${total(it)}`).join(', ')}`;
  return h(
    'figure',
    { class: 'chart', key: title },
    h(
      'figcaption',
      null,
      h('span', { class: 'chart-title' }, title),
      h('span', { class: 'chart-note' }, at === null ? note : clock(times[at], days)),
    ),
    h(
      'div',
      { class: 'plot' },
      h('span', { class: 'y-top' }, highest > 0 ? format(top) : ''),
      h('span', { class: 'y-mid' }, highest > 0 ? format(top / 2) : ''),
      h('span', { class: 'y-low' }, '0'),
      h(
        'svg',
        {
          viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
          preserveAspectRatio: 'none',
          role: 'img',
          'aria-label': spoken,
          onpointermove: point,
          onpointerleave: () => {
            view.state[title] = null;
            view.redraw();
          },
        },
        [0, 0.5, 1].map((share) =>
          h('line', { class: 'grid', x1: 0, x2: WIDTH, y1: HEIGHT * share, y2: HEIGHT * share, key: share }),
        ),
        kind === 'line' ? lines(shown, x, y) : kind === 'area' ? areas(shown, x, y, length) : bars(shown, y, length),
        at !== null &&
          h('line', {
            class: 'cursor',
            key: 'cursor',
            x1: kind === 'bars' ? ((at + 0.5) / length) * WIDTH : x(at),
            x2: kind === 'bars' ? ((at + 0.5) / length) * WIDTH : x(at),
            y1: 0,
            y2: HEIGHT,
          }),
      ),
      highest === 0 && h('p', { class: 'nothing' }, 'nothing in this time'),
    ),
    h(
      'div',
      { class: 'x' },
      [0, 0.25, 0.5, 0.75, 1].map((share) =>
        h('span', { key: share }, clock(times[Math.round(share * (length - 1))], days)),
      ),
    ),
    h(
      'ul',
      { class: 'legend' },
      shown.map((it, number) =>
        h(
          'li',
          { key: it.name },
          h(
            'svg',
            { class: `swatch c${it.colour ?? number}`, viewBox: '0 0 10 10', 'aria-hidden': 'true' },
            h('rect', { width: 10, height: 10, rx: 2 }),
          ),
          h('span', null, it.name),
          h('b', null, at === null ? total(it) : format(it.values[at] ?? 0)),
        ),
      ),
    ),
    numbers(title, shown, times, format, days),
  );
}

function lines(series, x, y) {
  return series.map((it, number) =>
    h('path', {
      key: it.name,
      class: `line c${it.colour ?? number}`,
      d: it.values
        .map((value, at) =>
          value === null
            ? ''
            : `${it.values[at - 1] === null || at === 0 ? 'M' : 'L'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`,
        )
        .join(''),
    }),
  );
}

function areas(series, x, y, length) {
  const floor = new Array(length).fill(0);
  return series.map((it, number) => {
    const from = floor
      .map((value, at) => `L${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
      .reverse()
      .join('');
    it.values.forEach((value, at) => {
      floor[at] += value;
    });
    const to = floor.map((value, at) => `${at === 0 ? 'M' : 'L'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join('');
    return h('path', { key: it.name, class: `area c${it.colour ?? number}`, d: `${to}${from}Z` });
  });
}

function bars(series, y, length) {
  const floor = new Array(length).fill(0);
  const width = WIDTH / length;
  return series.map((it, number) => {
    let d = '';
    it.values.forEach((value, at) => {
      if (!(value > 0)) return;
      const low = y(floor[at]);
      floor[at] += value;
      const high = y(floor[at]);
      d += `M${(at * width + width * 0.1).toFixed(1)} ${low.toFixed(1)}V${high.toFixed(1)}h${(width * 0.8).toFixed(1)}V${low.toFixed(1)}Z`;
    });
    return h('path', { key: it.name, class: `bar c${it.colour ?? number}`, d });
  });
}

// Only steps in which something happened, the newest first.
function numbers(title, series, times, format, days) {
  const rows = times
    .map((_, at) => at)
    .filter((at) => series.some((it) => it.values[at]))
    .reverse()
    .slice(0, 60);
  return h(
    'details',
    { class: 'numbers' },
    h('summary', null, 'Numbers'),
    h(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `${title}, numbers` },
      h(
        'table',
        null,
        h(
          'thead',
          null,
          h(
            'tr',
            null,
            h('th', { scope: 'col' }, 'Time'),
            series.map((it) => h('th', { scope: 'col', class: 'num', key: it.name }, it.name)),
          ),
        ),
        h(
          'tbody',
          null,
          rows.map((at) =>
            h(
              'tr',
              { key: times[at] },
              h('th', { scope: 'row' }, clock(times[at], days)),
              series.map((it) => h('td', { class: 'num', key: it.name }, format(it.values[at] ?? 0))),
            ),
          ),
        ),
      ),
    ),
  );
}
