// A scope's limit: how it reads, and the form that sets it.

import { path, post, put } from './api.js';
import { ask } from './dialog.js';
import { h } from './dom.js';
import { button, field, select } from './parts.js';

/** A limit in one line. */
export function limitText(it) {
  if (!it) return '–';
  const said = [
    it.rate && `${it.rate}`,
    it.concurrency && `${it.concurrency} at once`,
    it.depth && `depth ${it.depth}`,
    it.order === 'strict' && 'strict order',
  ];
  return said.filter(Boolean).join(' · ') || '–';
}

const number = (text) => (text === '' ? null : Number(text));

/** The form for the limit of `scope`, or of one that the user names. */
export async function editLimit(view, scope, limit = {}) {
  const ofQueue = !scope || scope.startsWith('queue:');
  const sent = await ask({
    title: scope ? `Limit of ${scope}` : 'A new limit',
    action: 'Set limit',
    body: [
      !scope &&
        field(
          'Scope',
          h('input', {
            name: 'scope',
            required: true,
            placeholder: 'queue:mail',
            spellcheck: 'false',
            autocomplete: 'off',
          }),
          'tenant, queue:NAME, lane:QUEUE/KEY, lanes:QUEUE, task:M.T or module:NAME',
        ),
      field(
        'Rate',
        h('input', { name: 'rate', value: limit.rate ?? '', placeholder: '100/s', autocomplete: 'off' }),
        'how many may start in a time, such as 5/10m; empty for none',
      ),
      field(
        'Concurrency',
        h('input', { name: 'concurrency', type: 'number', min: '1', value: limit.concurrency ?? '' }),
        'how many may run at once; empty for none',
      ),
      ofQueue &&
        field(
          'Depth',
          h('input', { name: 'depth', type: 'number', min: '0', value: limit.depth ?? '' }),
          'how many may wait; past it a call is refused',
        ),
      ofQueue &&
        field(
          'Order',
          select(
            'order',
            [
              ['aging', 'aging: waiting counts'],
              ['strict', 'strict: higher priority first, always'],
            ],
            limit.order ?? 'aging',
          ),
        ),
    ],
    send: (form) => {
      const body = { rate: form.rate.trim() || null, concurrency: number(form.concurrency) };
      if (ofQueue && (scope || form.scope.startsWith('queue:')))
        Object.assign(body, { depth: number(form.depth), order: form.order });
      return put(path('limits', scope ?? form.scope.trim()), body);
    },
  });
  if (sent) await view.act(async () => `${scope ?? 'the limit'} is set`);
}

/** Pauses a scope, or lets it go on. */
export function hold(view, { scope, paused }) {
  if (!view.can('deployer')) return null;
  const word = paused ? 'resume' : 'pause';
  const [kind, name] = scope.split(/:(.*)/s);
  const at = kind === 'queue' ? path('queues', name, word) : path('limits', scope, word);
  return button(
    paused ? 'Resume' : 'Pause',
    () =>
      view.act(async () => {
        await post(at);
        return `${scope} is ${paused ? 'resumed' : 'paused'}`;
      }),
    { label: `${paused ? 'Resume' : 'Pause'} ${scope}` },
  );
}
