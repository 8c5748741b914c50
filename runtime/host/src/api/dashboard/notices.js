// What happened, told in a corner: good news goes by itself, a problem stays until it is read.

import { h, render } from './dom.js';
import { button, problem } from './parts.js';

const STAYS = 6000;
let all = [];
let number = 0;

function draw() {
  render(
    document.getElementById('notices'),
    all.map((it) =>
      h(
        'div',
        { key: it.number, class: 'notice' },
        it.problem ? problem(it.problem) : h('p', null, it.text),
        button('×', () => drop(it), { kind: 'quiet', label: 'Dismiss' }),
      ),
    ),
  );
}

function drop(it) {
  all = all.filter((other) => other !== it);
  draw();
}

function add(it) {
  number += 1;
  const own = { ...it, number };
  all = [...all.slice(-3), own];
  draw();
  if (!own.problem) setTimeout(() => drop(own), STAYS);
}

export const notices = {
  /** Says that something was done. */
  say: (text) => add({ text }),
  /** Shows what went wrong. */
  fail: (error) => add({ problem: error }),
};
