// Asks for a token, where the server wants one.

import { h } from '../dom.js';
import { field, problem } from '../parts.js';

/** The form; `send` gets the token. */
export function view(failed, send) {
  return h(
    'form',
    {
      class: 'signin',
      onsubmit: (event) => {
        event.preventDefault();
        const text = new FormData(event.target).get('token').trim();
        if (text) send(text);
      },
    },
    h('h1', { tabindex: '-1' }, 'Sign in'),
    h('p', null, 'This server wants a token. It is kept in this tab alone, until the tab is closed.'),
    problem(failed),
    field(
      'Token',
      h('input', {
        type: 'password',
        name: 'token',
        required: true,
        autocomplete: 'off',
        spellcheck: 'false',
        placeholder: 'lov_…',
      }),
    ),
    h('button', { type: 'submit', class: 'primary' }, 'Sign in'),
    h('p', { class: 'dim' }, 'An administrator makes one: ', h('code', null, 'lovage token create --name me --role viewer')),
  );
}
