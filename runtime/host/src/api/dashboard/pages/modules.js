// The modules that are there, and what is active of each.

import { get, path } from '../api.js';
import { h } from '../dom.js';
import { empty, head, table, time } from '../parts.js';
import { href } from '../router.js';

export const page = {
  title: () => 'Modules',
  wants: (event) => ['release', 'gap'].includes(event.type),
  load: (view, signal) => get(path('modules'), signal),
  view: (view, { modules }) => [
    head('Modules'),
    modules.length === 0
      ? empty(
          'No module yet. A module is a component with tasks in it.',
          'lovage new hello && lovage build hello && lovage push hello/hello.wasm',
        )
      : table(
          'Modules',
          [
            { head: 'Module', cell: (it) => h('a', { href: href('modules', it.module) }, it.module) },
            { head: 'Release', num: true, cell: (it) => it.release?.number ?? '–' },
            {
              head: 'Digest',
              cell: (it) => h('code', { title: it.release?.digest }, it.release?.digest.slice(0, 12) ?? '–'),
            },
            { head: 'Pushed', cell: (it) => time(it.release?.at) },
            { head: 'By', cell: (it) => it.release?.by ?? '–' },
          ],
          modules,
          (it) => it.module,
        ),
  ],
};
