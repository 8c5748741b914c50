// A job's life as bars in SVG, a row for each stretch of it, so that waiting and running are told apart at a glance.

import { h } from './dom.js';
import { span } from './format.js';
import { ENDED, tone } from './parts.js';

const WIDTH = 1000;
// A millisecond beside an hour is still to be seen.
const THINNEST = 5;

function stretches(job) {
  const ms = (text) => Date.parse(text);
  const now = Date.now();
  const rows = [];
  let at = ms(job.enqueued);
  const attempts = job.attempts ?? [];
  attempts.forEach((it, number) => {
    rows.push({ name: number === 0 ? 'waited' : 'waited again', from: at, to: ms(it.started), state: 'waited' });
    rows.push({
      name: `attempt ${it.delivery}`,
      note: it.ending,
      from: ms(it.started),
      to: ms(it.ended),
      state: tone(it.ending),
    });
    at = ms(it.ended);
  });
  if (job.state === 'running' && job.started) {
    rows.push({ name: attempts.length ? 'waited again' : 'waited', from: at, to: ms(job.started), state: 'waited' });
    rows.push({ name: `attempt ${job.delivery}`, note: 'running', from: ms(job.started), to: now, state: 'running' });
  } else if (!ENDED.has(job.state)) {
    rows.push({ name: 'waits', note: job.state, from: at, to: now, state: 'waited' });
  } else if (attempts.length === 0 && job.finished) {
    rows.push({ name: 'waited', note: job.state, from: at, to: ms(job.finished), state: 'waited' });
  }
  // Two clocks may differ by a little; no bar runs backwards.
  return rows
    .map((it) => ({ ...it, to: Math.max(it.from, it.to) }))
    .filter((it) => it.state !== 'waited' || it.to > it.from);
}

/** The timeline of a job. */
export function timeline(job) {
  const rows = stretches(job);
  const from = Date.parse(job.enqueued);
  const to = Math.max(from + 1, ...rows.map((it) => it.to));
  const x = (ms) => ((ms - from) / (to - from)) * WIDTH;
  return h(
    'ol',
    { class: 'timeline' },
    rows.map((it, number) => {
      const width = Math.max(THINNEST, x(it.to) - x(it.from));
      return h(
        'li',
        { key: number },
        h('span', { class: 'what' }, it.name, it.note && h('span', { class: 'dim' }, ` ${it.note}`)),
        h(
          'svg',
          { viewBox: `0 0 ${WIDTH} 14`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
          h('rect', { class: 'track', width: WIDTH, height: 14 }),
          h('rect', {
            class: `stretch st-${it.state}`,
            x: Math.min(x(it.from), WIDTH - width),
            y: it.state === 'waited' ? 5 : 1,
            width,
            height: it.state === 'waited' ? 4 : 12,
          }),
        ),
        h('span', { class: 'num' }, span((it.to - it.from) / 1000)),
      );
    }),
    h(
      'li',
      { class: 'whole', key: 'whole' },
      h('span', null, ENDED.has(job.state) ? 'in all' : 'so far'),
      h('span', null),
      h('span', { class: 'num' }, span((to - from) / 1000)),
    ),
  );
}
