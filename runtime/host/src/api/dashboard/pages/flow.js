// One flow, drawn as the graph that it is; it fills while it runs.

import { get, path, post } from '../api.js';
import { confirm } from '../dialog.js';
import { h } from '../dom.js';
import { between, exact, short, span } from '../format.js';
import { graph } from '../graph.js';
import { badge, button, facts, head, jobLink, json, panel, STATES, text, time } from '../parts.js';

const ENDED = new Set(['completed', 'failed', 'cancelled']);
const LOOK_EVERY = 2000;

export const page = {
  title: (view) => `Flow ${short(view.params.id)}`,
  async load(view, signal) {
    const { id } = view.params;
    const flow = await get(path('flows', id), signal);
    clearTimeout(view.state.look);
    if (!ENDED.has(flow.state)) view.state.look = setTimeout(() => view.soon(), LOOK_EVERY);
    // An ended flow has one result for good.
    if (flow.state === 'completed' && view.state.result === undefined) {
      view.state.result = await get(path('flows', id, 'result'), signal)
        .catch((error) => {
          if (error.name === 'AbortError') throw error;
          return { problem: error };
        })
        .then((it) => (it?.problem instanceof Error ? it : { value: it }));
    } else if (flow.state !== 'completed') delete view.state.result;
    return flow;
  },
  view(view, it) {
    const { result } = view.state;
    return [
      head(
        h('span', null, h('span', { class: 'dim' }, 'Flow '), it.name || short(it.id), ' ', badge(it.state)),
        actions(view, it),
      ),
      h('p', { class: 'id whole' }, it.id),
      h(
        'p',
        null,
        h(
          'span',
          { class: 'progress' },
          h('progress', { max: it.nodes, value: it.completed, 'aria-label': 'Calls done' }),
          ` ${exact(it.completed)} of ${exact(it.nodes)} calls`,
        ),
      ),
      facts([
        ['Pending', exact(it.pending)],
        ['Failed', exact(it.failed)],
        ['Begun', time(it.begun)],
        it.ended && ['Ended', time(it.ended)],
        ['Took', span(between(it.begun, it.ended))],
        it.keep && ['Kept', it.keep],
      ]),
      it.steps &&
        panel(
          'Graph',
          {},
          h(
            'div',
            { class: 'scroll graph', tabindex: '0', role: 'region', 'aria-label': 'Graph of the flow' },
            graph(it.steps),
          ),
          h(
            'ul',
            { class: 'states', 'aria-label': 'Colours of the states' },
            STATES.map((state) => h('li', { key: state }, badge(state))),
          ),
          h('details', null, h('summary', null, 'The same as a list'), h('ul', { class: 'tree' }, branch(it.steps))),
        ),
      result?.problem && h('p', { class: 'dim' }, `No result: ${result.problem.message}`),
      result &&
        'value' in result &&
        panel(
          'Result',
          {},
          typeof result.value === 'string' ? text(result.value, 'Result') : json(result.value, 'Result'),
        ),
    ];
  },
};

function actions(view, it) {
  if (!view.can('producer')) return null;
  const act = (word, said) => () =>
    view.act(async () => {
      const { done } = await post(path('flows', it.id, word));
      return `${it.name || short(it.id)} ${done === false ? 'had nothing to do' : said}`;
    });
  return [
    !ENDED.has(it.state) &&
      button(
        'Cancel',
        async () => {
          if (
            await confirm(
              'Cancel this flow?',
              'What waits is cancelled, and what runs is asked to stop.',
              'Cancel the flow',
            )
          )
            await act('cancel', 'is cancelled')();
        },
        { kind: 'danger', key: 'cancel' },
      ),
    (it.state === 'failed' || it.state === 'cancelled') &&
      button('Retry', act('retry', 'goes on from what failed'), { kind: 'primary', key: 'retry' }),
  ];
}

function branch(step) {
  const name = step.name && h('b', null, `${step.name} `);
  const after = step.after?.length > 0 && h('span', { class: 'dim' }, ` after ${step.after.join(', ')}`);
  const errors = (step.on_error ?? []).map((leaf, at) =>
    h('ul', { key: `e${at}` }, h('li', null, h('span', { class: 'dim' }, 'on error: '), call(leaf))),
  );
  const kind = ['chain', 'group', 'graph'].find((it) => step[it]);
  if (kind) return h('li', { key: step.path }, name, kind, after, h('ul', null, step[kind].map(branch)), errors);
  if (step.many)
    return h(
      'li',
      { key: step.path },
      name,
      `${step.many} of ${exact(step.steps)}: `,
      Object.entries(step.states ?? {}).map(([state, number]) => [badge(state, `${exact(number)} ${state}`), ' ']),
      after,
      errors,
    );
  return h('li', { key: step.path }, name, call(step), after, errors);
}

const call = (leaf) => [`${leaf.task} `, badge(leaf.state ?? 'waiting'), ' ', leaf.job && jobLink(leaf.job)];
