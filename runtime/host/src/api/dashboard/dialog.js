// The one dialog of the page: a question, a form, or the help.

import { h, render } from './dom.js';
import { problem } from './parts.js';

const dialog = () => document.getElementById('dialog');

/**
 * Opens a form in the dialog; `send` gets its fields as an object, and what it throws is shown there.
 * Answers with whether it was sent.
 */
export function ask({ title, body, action = 'OK', danger = false, send = async () => {} }) {
  return new Promise((resolve) => {
    const el = dialog();
    let sent = false;
    let failed = null;
    const draw = () =>
      render(
        el,
        h(
          'form',
          {
            key: title,
            onsubmit: async (event) => {
              event.preventDefault();
              try {
                await send(Object.fromEntries(new FormData(event.target)));
                sent = true;
                el.close();
              } catch (error) {
                failed = error;
                draw();
              }
            },
          },
          h('h2', { id: 'dialog-title' }, title),
          problem(failed),
          h('div', { class: 'dialog-body' }, body),
          h(
            'div',
            { class: 'actions' },
            h('button', { type: 'button', onclick: () => el.close() }, 'Close'),
            h('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, action),
          ),
        ),
      );
    el.onclose = () => {
      render(el);
      resolve(sent);
    };
    draw();
    el.showModal();
  });
}

/** Asks before something that cannot be taken back. */
export const confirm = (title, body, action, danger = true) => ask({ title, body: h('p', null, body), action, danger });

const KEYS = [
  ['/', 'search a job or a task'],
  ['?', 'this help'],
  ['g o', 'overview'],
  ['g q', 'queues'],
  ['g j', 'jobs'],
  ['g d', 'dead list'],
  ['g m', 'modules'],
  ['g s', 'schedules'],
  ['g f', 'flows'],
  ['g w', 'workers'],
  ['g e', 'enqueue'],
];

/** The keys that the dashboard knows. */
export function help() {
  const el = dialog();
  render(
    el,
    h('h2', { id: 'dialog-title' }, 'Keys'),
    h(
      'dl',
      { class: 'keys' },
      KEYS.map(([keys, what]) =>
        h(
          'div',
          { key: keys },
          h(
            'dt',
            null,
            keys.split(' ').map((key) => h('kbd', { key }, key)),
          ),
          h('dd', null, what),
        ),
      ),
    ),
    h(
      'div',
      { class: 'actions' },
      h('button', { type: 'button', class: 'primary', onclick: () => el.close() }, 'Close'),
    ),
  );
  el.onclose = () => render(el);
  el.showModal();
}
