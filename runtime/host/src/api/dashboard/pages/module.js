// One module: its releases, each one click away, and its tasks with their schemas.

import { get, path, post } from '../api.js';
import { confirm } from '../dialog.js';
import { h } from '../dom.js';
import { bytes, option } from '../format.js';
import { badge, button, doc, facts, head, json, panel, table, taskLink, time } from '../parts.js';
import { href } from '../router.js';

const LISTED = 10;

export const page = {
  title: (view) => `Module ${view.params.module}`,
  wants: (event) => ['release', 'gap'].includes(event.type),
  async load(view, signal) {
    const name = view.params.module;
    const asked = [path('modules', name), path('modules', name, 'grants')];
    const [module, grants] = await Promise.all(asked.map((at) => get(at, signal)));
    return { ...module, grants };
  },
  view(view, it) {
    const active = it.releases.find((release) => release.active);
    const older = it.releases.some((release) => release.number < (active?.number ?? 0));
    const all = view.state.all || it.releases.length <= LISTED;
    return [
      head(
        h('span', null, h('span', { class: 'dim' }, 'Module '), it.module),
        view.can('deployer') && older && button('Roll back', () => rollback(view, it, active), { kind: 'primary' }),
      ),
      facts([
        ['Active release', active?.number],
        ['Size', bytes(it.size)],
        ['Tasks', it.tasks.length],
        ['Digest', active && h('code', null, active.digest.slice(0, 16))],
        ['Pushed', active && [time(active.at), ` by ${active.by}`]],
      ]),
      panel(
        'Releases',
        {},
        table(
          'Releases',
          [
            { head: 'Release', cell: (release) => ['#', release.number, release.active && [' ', badge('active')]] },
            { head: 'Digest', cell: (release) => h('code', { title: release.digest }, release.digest.slice(0, 12)) },
            { head: 'Pushed', cell: (release) => time(release.at) },
            { head: 'By', cell: (release) => release.by },
            {
              head: '',
              cell: (release) =>
                !release.active &&
                view.can('deployer') &&
                button('Activate', () => activate(view, it, release), { label: `Activate release ${release.number}` }),
            },
          ],
          all ? it.releases : it.releases.slice(0, LISTED),
          (release) => release.number,
        ),
        !all &&
          button(`All ${it.releases.length}`, () => {
            view.state.all = true;
            view.redraw();
          }),
      ),
      (it.grants.granted.length > 0 || it.grants.awaits.length > 0) && reach(it.grants),
      panel(
        'Tasks',
        {},
        it.tasks.map((task) => one(view, task)),
      ),
    ];
  },
};

// What it may reach, and what its newest release wants beside that.
function reach({ granted, awaits, release }) {
  const waits = awaits.map((grant) => ({ grant, by: `awaited by release ${release}` }));
  return panel(
    'Grants',
    {},
    table(
      'Grants',
      [
        { head: 'Grant', cell: (it) => h('code', null, it.grant) },
        { head: 'Approved', cell: (it) => (it.at ? time(it.at) : badge('pending', 'awaits approval')) },
        { head: 'By', cell: (it) => it.by },
      ],
      [...granted, ...waits],
      (it) => it.grant,
    ),
  );
}

function one(view, task) {
  const required = new Set(task.input_schema?.required ?? []);
  const names = Object.keys(task.input_schema?.properties ?? {}).map((name) =>
    required.has(name) ? name : `${name}?`,
  );
  const options = Object.entries(task.options ?? {}).filter(([, value]) => value !== null);
  return h(
    'details',
    { class: 'task', key: task.task },
    h(
      'summary',
      null,
      h('strong', null, task.task),
      h('code', null, ` (${names.join(', ')})`),
      h('span', { class: 'dim' }, ' ', task.doc?.split(/\n\n|(?<=\.)\s/)[0]),
    ),
    h(
      'div',
      { class: 'task-body' },
      doc(task.doc),
      h(
        'p',
        { class: 'actions' },
        view.can('producer') &&
          h(
            'a',
            { class: 'button primary', href: href('enqueue', task.task), 'aria-label': `Enqueue ${task.task}` },
            'Enqueue',
          ),
        ' ',
        taskLink(task.task),
      ),
      options.length > 0 && facts(options.map(([name, value]) => [name.replaceAll('_', ' '), option(value)])),
      h(
        'div',
        { class: 'pair' },
        h('div', null, h('h3', null, 'Arguments'), json(task.input_schema, `Schema of the arguments of ${task.task}`)),
        h('div', null, h('h3', null, 'Result'), json(task.output_schema, `Schema of the result of ${task.task}`)),
      ),
    ),
  );
}

async function rollback(view, it, active) {
  if (
    !(await confirm(
      `Roll back ${it.module}?`,
      `Release ${active.number} gives way to the one that was active before it, on every worker at once. What runs ends on the release it began with.`,
      'Roll back',
    ))
  )
    return;
  await view.act(async () => said(it.module, await post(path('modules', it.module, 'rollback'))));
}

async function activate(view, it, release) {
  if (
    !(await confirm(
      `Activate release ${release.number} of ${it.module}?`,
      'Every worker takes it for each attempt that begins from now on.',
      'Activate',
      false,
    ))
  )
    return;
  await view.act(async () =>
    said(it.module, await post(path('modules', it.module, 'releases', String(release.number), 'activate'))),
  );
}

const said = (module, { active, before }) =>
  `release ${active} of ${module} is active${before ? `; before it was ${before}` : ''}`;
