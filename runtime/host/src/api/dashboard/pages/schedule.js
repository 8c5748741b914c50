// One schedule: when it fires, and what became of its last fires.

import { get, path, post, remove } from '../api.js';
import { confirm } from '../dialog.js';
import { h } from '../dom.js';
import { exact, moment, option } from '../format.js';
import { badge, button, facts, head, jobLink, json, panel, table, taskLink, time } from '../parts.js';
import { go, href } from '../router.js';

/** What can be done with a schedule; on its own page it can be removed, too. */
export function scheduleActions(view, it) {
  const act = (word, said) => () =>
    view.act(async () => {
      await post(path('schedules', it.name, word));
      return `${it.name} ${said}`;
    });
  return [
    view.can('producer') && button('Fire now', act('fire', 'fired'), { key: 'fire', label: `Fire ${it.name} now` }),
    view.can('deployer') &&
      (it.paused
        ? button('Resume', act('resume', 'is resumed'), { key: 'resume', label: `Resume ${it.name}` })
        : button('Pause', act('pause', 'is paused'), { key: 'pause', label: `Pause ${it.name}` })),
    view.params.name &&
      view.can('deployer') &&
      button(
        'Remove',
        async () => {
          if (!(await confirm(`Remove ${it.name}?`, 'It fires no more. Its jobs stay.', 'Remove'))) return;
          await view.act(async () => {
            await remove(path('schedules', it.name));
            go(href('schedules'), true);
            return `${it.name} is removed`;
          });
        },
        { kind: 'danger', key: 'remove', label: `Remove ${it.name}` },
      ),
  ];
}

export const page = {
  title: (view) => `Schedule ${view.params.name}`,
  load: (view, signal) => get(path('schedules', view.params.name), signal),
  view: (view, it) => [
    head(
      h('span', null, h('span', { class: 'dim' }, 'Schedule '), it.name, it.paused && [' ', badge('paused')]),
      scheduleActions(view, it),
    ),
    facts([
      ['When', it.when],
      ['Task', taskLink(it.task)],
      ['Queue', it.queue],
      it.lane && ['Lane', it.lane],
      ['Owner', it.owner],
      ['Fired', exact(it.fired)],
      ['Missed', exact(it.missed)],
      ['Jitter', it.jitter],
      ['Catch up', option(it.catch_up)],
      ['Overlap', option(it.overlap)],
      it.last_job && ['Last job', jobLink(it.last_job)],
      it.waiting && ['Waiting', typeof it.waiting === 'string' ? time(it.waiting) : JSON.stringify(it.waiting)],
    ]),
    h(
      'div',
      { class: 'pair' },
      panel(
        'Next fires',
        {},
        it.paused
          ? h('p', { class: 'dim' }, 'It is paused.')
          : h(
              'ol',
              { class: 'plain' },
              (it.upcoming ?? []).map((at) =>
                h('li', { key: at }, h('span', null, moment(at)), ' ', h('span', { class: 'dim' }, time(at))),
              ),
            ),
      ),
      panel('Input', {}, json(it.input, 'Input')),
    ),
    panel(
      'Last fires',
      {},
      !it.fires?.length
        ? h('p', { class: 'dim' }, 'It has not fired yet.')
        : table(
            'Last fires',
            [
              { head: 'At', cell: (fire) => h('span', { title: fire.when }, moment(fire.at)) },
              {
                head: 'Outcome',
                cell: (fire) => [badge(fire.outcome), fire.by_hand && h('span', { class: 'dim' }, ' by hand')],
              },
              { head: 'Job', cell: (fire) => (fire.job ? jobLink(fire.job) : (fire.reason ?? '–')) },
            ],
            it.fires,
            (fire) => `${fire.at} ${fire.job}`,
          ),
    ),
  ],
};
