// An address that is none.

import { h } from '../dom.js';
import { empty, head } from '../parts.js';

export const page = {
  title: () => 'No such page',
  still: true,
  load: async () => ({}),
  view: (view) => [
    head('No such page'),
    empty(h('span', null, 'There is nothing at ', h('code', null, view.params.address), '.')),
  ],
};
