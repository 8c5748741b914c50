// Enqueues a job: a task, its arguments by their schema, and how it is to be run.

import { get, path, post } from '../api.js';
import { h } from '../dom.js';
import { Form } from '../form.js';
import { doc, empty, field, head, panel, problem, select } from '../parts.js';
import { go, href } from '../router.js';

// What a call may say beside its arguments: its name, how it is read, and what it means.
const OPTIONS = [
  ['queue', 'text', 'default'],
  ['lane', 'text', 'shares the queue in turn, such as user-42'],
  ['priority', 'number', 'a higher one goes first'],
  ['eta', 'text', 'when, or in how long: 5m', 'Delay'],
  ['expires', 'text', 'how long it may wait: 1h'],
  ['tags', 'tags', 'with commas between them'],
  ['key', 'text', 'a second call with it makes no second job'],
  ['retries', 'number', 'after the first attempt'],
  ['timeout', 'text', 'of an attempt: 60s'],
  ['result_ttl', 'text', 'how long it is kept: 1h', 'Keep'],
  ['release', 'number', 'empty: the active one'],
];

export const page = {
  title: (view) => (view.params.task ? `Enqueue ${view.params.task}` : 'Enqueue'),
  still: true,
  async load(view, signal) {
    const { tasks } = await get(path('tasks'), signal);
    const task = tasks.find((it) => it.task === view.params.task);
    if (view.params.task && !task)
      throw Object.assign(new Error(), {
        title: 'no such task',
        detail: `no active module has a task \`${view.params.task}\``,
      });
    if (task && !view.state.form) view.state.form = new Form(task.input_schema ?? {}, () => view.redraw());
    return { tasks, task };
  },
  view(view, { tasks, task }) {
    if (tasks.length === 0)
      return [head('Enqueue'), empty('No task yet: push a module first.', 'lovage push hello/hello.wasm')];
    return [
      head('Enqueue'),
      h(
        'div',
        { class: 'filters' },
        field(
          'Task',
          select('task', [['', 'choose one…'], ...tasks.map((it) => it.task)], task?.task ?? '', {
            id: 'task',
            onchange: (event) => go(event.target.value ? href('enqueue', event.target.value) : href('enqueue')),
          }),
        ),
      ),
      !view.can('producer') && empty('A viewer may look, and not enqueue.'),
      task && view.can('producer') && form(view, task),
    ];
  },
};

function form(view, task) {
  const { form: fields, failed, busy } = view.state;
  const own = failed?.errors ?? [];
  const elsewhere = failed && {
    title: failed.title,
    detail: failed.detail,
    retryAfter: failed.retryAfter,
    errors: own.filter((error) => !error.pointer?.startsWith('/args/')),
  };
  fields.errors = own;
  const args = fields.fields();
  return h(
    'form',
    {
      class: 'enqueue',
      key: task.task,
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        send(view, task, event.target);
      },
    },
    doc(task.doc),
    problem(elsewhere),
    panel('Arguments', {}, args.length ? args : h('p', { class: 'dim' }, 'It takes none.')),
    h(
      'details',
      { class: 'options' },
      h('summary', null, 'Options'),
      h(
        'div',
        { class: 'grid' },
        OPTIONS.map(([name, type, note, label]) =>
          h(
            'label',
            { class: 'field', key: name },
            h('span', null, label ?? name[0].toUpperCase() + name.slice(1).replace('_', ' ')),
            h('input', {
              name: `option:${name}`,
              type: 'text',
              inputmode: type === 'number' ? 'numeric' : null,
              autocomplete: 'off',
              spellcheck: 'false',
            }),
            h('small', null, note),
          ),
        ),
      ),
    ),
    h('p', { class: 'actions' }, h('button', { type: 'submit', class: 'primary', disabled: busy ?? false }, 'Enqueue')),
  );
}

function options(form) {
  const call = {};
  const wrong = [];
  for (const [name, type] of OPTIONS) {
    const text = form.elements.namedItem(`option:${name}`).value.trim();
    if (text === '') continue;
    if (type === 'tags')
      call[name] = text
        .split(',')
        .map((it) => it.trim())
        .filter(Boolean);
    else if (type === 'number') {
      call[name] = Number(text);
      if (!Number.isInteger(call[name])) wrong.push({ pointer: `/${name}`, detail: 'a whole number is wanted' });
    } else call[name] = text;
  }
  if (wrong.length)
    throw Object.assign(new Error(), { title: 'the options cannot be read', detail: '', errors: wrong });
  return call;
}

async function send(view, task, form) {
  if (view.state.busy) return;
  view.state.busy = true;
  view.state.failed = null;
  try {
    const call = { task: task.task, args: await view.state.form.read(form), ...options(form) };
    const { id } = await post(path('jobs'), call);
    go(href('jobs', id));
  } catch (error) {
    view.state.failed = error;
  } finally {
    view.state.busy = false;
  }
  view.redraw();
  form.querySelector('[aria-invalid]')?.focus();
}
