// A flow as a drawing: a chain runs to the right, a group stands in a column, a graph in columns by what waits for what.
// Each part first says how large it is, then is drawn where there is room for it.

import { h } from './dom.js';
import { exact } from './format.js';
import { tone } from './parts.js';
import { href } from './router.js';

const BOX = { width: 190, height: 46 };
const GAP = { x: 36, y: 12 };
const EDGE = 10;
const LETTERS = 25;

const cut = (text, to = LETTERS) => (text.length > to ? `${text.slice(0, to - 1)}…` : text);

/** The drawing of a flow's steps. */
export function graph(steps) {
  const root = part(steps);
  const width = root.width + EDGE * 2;
  const height = root.height + EDGE * 2;
  return h(
    'svg',
    { width, height, viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': 'Steps of the flow' },
    h(
      'defs',
      null,
      h(
        'marker',
        { id: 'arrow', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' },
        h('path', { class: 'tip', d: 'M0 0 8 4 0 8Z' }),
      ),
    ),
    root.draw(EDGE, EDGE),
  );
}

function part(step) {
  const own = step.chain ? chain(step) : step.group ? group(step) : step.graph ? layers(step) : leaf(step);
  return step.on_error?.length ? withErrors(own, step) : own;
}

function edge(from, to, key) {
  const middle = (from.x + to.x) / 2;
  return h('path', {
    class: 'edge',
    key,
    d: `M${from.x} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`,
    'marker-end': 'url(#arrow)',
  });
}

const right = (it, x, y) => ({ x: x + it.width, y: y + (it.anchor ?? it.height / 2) });
const left = (it, x, y) => ({ x: x - 2, y: y + (it.anchor ?? it.height / 2) });

function chain(step) {
  const parts = step.chain.map(part);
  const height = Math.max(...parts.map((it) => it.height));
  const width = parts.reduce((sum, it) => sum + it.width, 0) + GAP.x * (parts.length - 1);
  return {
    width,
    height,
    draw: (x, y) => {
      let at = x;
      let last = null;
      return h(
        'g',
        { key: step.path },
        parts.map((it, number) => {
          const top = y + (height - it.height) / 2;
          const drawn = [last && edge(last, left(it, at, top), `edge${number}`), it.draw(at, top)];
          last = right(it, at, top);
          at += it.width + GAP.x;
          return drawn;
        }),
      );
    },
  };
}

function framed(step, label, inner) {
  const pad = 12;
  const top = 22;
  return {
    width: inner.width + pad * 2,
    height: inner.height + pad + top,
    draw: (x, y) =>
      h(
        'g',
        { key: step.path },
        h('rect', { class: 'frame', x, y, width: inner.width + pad * 2, height: inner.height + pad + top, rx: 8 }),
        h('text', { class: 'frame-label', x: x + pad, y: y + 15 }, cut(label, 40)),
        inner.draw(x + pad, y + top),
      ),
  };
}

function group(step) {
  const parts = step.group.map(part);
  const width = Math.max(...parts.map((it) => it.width));
  const height = parts.reduce((sum, it) => sum + it.height, 0) + GAP.y * (parts.length - 1);
  return framed(step, `${step.name ? `${step.name}: ` : ''}group of ${parts.length}`, {
    width,
    height,
    draw: (x, y) => {
      let at = y;
      return parts.map((it) => {
        const drawn = it.draw(x + (width - it.width) / 2, at);
        at += it.height + GAP.y;
        return drawn;
      });
    },
  });
}

// A step stands one column past the last one that it waits for, so each edge leads to the right.
function layers(step) {
  const nodes = step.graph.map((it) => ({ step: it, part: part(it) }));
  const named = new Map(nodes.map((it) => [it.step.name, it]));
  const depth = (it, seen = new Set()) => {
    if (it.depth !== undefined || seen.has(it)) return it.depth ?? 0;
    seen.add(it);
    const before = (it.step.after ?? []).map((name) => named.get(name)).filter(Boolean);
    it.depth = before.length ? 1 + Math.max(...before.map((other) => depth(other, seen))) : 0;
    return it.depth;
  };
  nodes.forEach((it) => depth(it));
  const columns = [];
  nodes.forEach((it) => {
    (columns[it.depth] ??= []).push(it);
  });
  const widths = columns.map((column) => Math.max(...column.map((it) => it.part.width)));
  const heights = columns.map(
    (column) => column.reduce((sum, it) => sum + it.part.height, 0) + GAP.y * (column.length - 1),
  );
  const width = widths.reduce((sum, it) => sum + it, 0) + GAP.x * 1.5 * (columns.length - 1);
  const height = Math.max(...heights);
  return framed(step, `${step.name ? `${step.name}: ` : ''}graph`, {
    width,
    height,
    draw: (x, y) => {
      let across = x;
      columns.forEach((column, number) => {
        let down = y + (height - heights[number]) / 2;
        column.forEach((it) => {
          it.x = across;
          it.y = down;
          down += it.part.height + GAP.y;
        });
        across += widths[number] + GAP.x * 1.5;
      });
      return [
        nodes.flatMap((it) =>
          (it.step.after ?? [])
            .filter((name) => named.has(name))
            .map((name) => {
              const from = named.get(name);
              return edge(right(from.part, from.x, from.y), left(it.part, it.x, it.y), `${name}>${it.step.name}`);
            }),
        ),
        nodes.map((it) => it.part.draw(it.x, it.y)),
      ];
    },
  });
}

function leaf(step) {
  if (step.many) return many(step);
  const state = step.state ?? 'waiting';
  const label = `${step.name ? `${step.name}: ` : ''}${step.task}, ${state}`;
  const body = (x, y) => [
    h('title', null, label),
    h('rect', { class: 'box', x, y, width: BOX.width, height: BOX.height, rx: 6 }),
    h('rect', { class: 'mark', x, y, width: 5, height: BOX.height, rx: 2 }),
    h('text', { class: 'box-task', x: x + 14, y: y + 19 }, cut(step.name ? `${step.name} · ${step.task}` : step.task)),
    h('text', { class: 'box-state', x: x + 14, y: y + 36 }, state),
  ];
  return {
    ...BOX,
    draw: (x, y) =>
      step.job
        ? h(
            'a',
            {
              key: step.path ?? step.job,
              class: `node st-${tone(state)}`,
              href: href('jobs', step.job),
              'aria-label': label,
            },
            body(x, y),
          )
        : h(
            'g',
            { key: step.path ?? step.task, class: `node st-${tone(state)}`, role: 'img', 'aria-label': label },
            body(x, y),
          ),
  };
}

// A group that is too large to be drawn call by call: how many stand where.
function many(step) {
  const states = Object.entries(step.states ?? {});
  const tasks = Object.keys(step.tasks ?? {}).join(', ');
  const size = { width: BOX.width + 20, height: 40 + 16 * Math.max(1, states.length) };
  const label = `${step.many} of ${exact(step.steps)}: ${tasks}; ${states.map(([state, number]) => `${exact(number)} ${state}`).join(', ')}`;
  return {
    ...size,
    draw: (x, y) =>
      h(
        'g',
        { key: step.path, class: 'node many', role: 'img', 'aria-label': label },
        h('title', null, label),
        h('rect', { class: 'box', x: x + 4, y: y + 4, width: size.width - 4, height: size.height - 4, rx: 6 }),
        h('rect', { class: 'box', x, y, width: size.width - 4, height: size.height - 4, rx: 6 }),
        h('text', { class: 'box-task', x: x + 14, y: y + 19 }, cut(`${exact(step.steps)} × ${tasks}`, 28)),
        states.map(([state, number], at) =>
          h(
            'g',
            { key: state, class: `st-${tone(state)}` },
            h('rect', { class: 'mark', x: x + 14, y: y + 30 + at * 16, width: 8, height: 8, rx: 2 }),
            h('text', { class: 'box-state', x: x + 28, y: y + 38 + at * 16 }, `${exact(number)} ${state}`),
          ),
        ),
      ),
  };
}

function withErrors(own, step) {
  const errors = step.on_error.map((it) => leaf(it));
  const height = own.height + errors.reduce((sum, it) => sum + it.height + 24, 0);
  const width = Math.max(own.width, BOX.width);
  return {
    width,
    height,
    anchor: own.anchor ?? own.height / 2,
    draw: (x, y) =>
      h(
        'g',
        { key: `${step.path}!` },
        own.draw(x, y),
        errors.map((it, number) => {
          const top = y + own.height + 24 + number * (it.height + 24);
          return [
            h('text', { class: 'frame-label', x: x + 4, y: top - 6, key: `l${number}` }, 'on error'),
            it.draw(x, top),
          ];
        }),
      ),
  };
}
