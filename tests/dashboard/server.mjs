// The server under test, spoken to directly: what fills it, and what tells how it stands.

const base = new URL(process.env.LOVAGE_URL ?? 'http://127.0.0.1:7777/');
export const token = process.env.LOVAGE_TOKEN ?? null;
export const address = (hash = '') => `${base.href}${hash}`;

/** Markup that would show itself if anything took it for markup. */
export const EVIL = '<script>window.__pwned=1</script><img src=x onerror="window.__pwned=1">';

const ENDED = new Set(['completed', 'discarded', 'cancelled']);
const PATIENCE = 30_000;

export async function api(method, path, body) {
  const headers = { Accept: 'application/json' };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const response = await fetch(new URL(`v1/${path}`, base), { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} /v1/${path} answered ${response.status}: ${text}`);
  return text ? JSON.parse(text) : null;
}

export const job = (id) => api('GET', `jobs/${id}`);
export const enqueue = async (task, args, options = {}) => (await api('POST', 'jobs', { task, args, ...options })).id;

/** Looks until `holds` of what `look` answers; fails with `what` after a while. */
export async function until(what, look, holds) {
  const last = Date.now() + PATIENCE;
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    if (Date.now() > last)
      throw new Error(`not in ${PATIENCE / 1000} s: ${what}; it stands at ${JSON.stringify(value)?.slice(0, 400)}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
}

export const ended = (id) =>
  until(
    `job ${id} ends`,
    () => job(id),
    (it) => ENDED.has(it.state),
  );

/** Fills the server with what the pages are to show. `fixture` says what is there already. */
export async function seed(fixture) {
  const { module } = fixture;
  const releases = (await api('GET', `modules/${module}`)).releases;
  if (releases.length < 2) throw new Error(`the module \`${module}\` needs two releases: it has ${releases.length}`);
  const adds = [];
  for (let number = 0; number < 6; number += 1)
    adds.push(await enqueue(`${module}.add`, { a: number, b: 1 }, { tags: ['seed'] }));
  const ids = {
    add: adds[0],
    echo: await enqueue(`${module}.echo`, { value: EVIL }, { tags: ['seed'] }),
    fail: await enqueue(`${module}.fail`, { message: EVIL, next: 'never' }),
    panic: await enqueue(`${module}.panics`, { message: EVIL }),
    again: await enqueue(`${module}.fail`, { message: 'smtp: connection refused', next: 'never' }),
    flow: (
      await api('POST', 'flows', {
        name: 'sums',
        chain: [
          {
            group: [
              { task: `${module}.add`, args: { a: 1, b: 2 } },
              { task: `${module}.add`, args: { a: 3, b: 4 } },
            ],
          },
          { task: `${module}.sum`, results: { values: 'previous' } },
        ],
      })
    ).id,
  };
  await Promise.all([...adds, ids.echo, ids.fail, ids.panic, ids.again].map(ended));
  await until(
    'the flow ends',
    () => api('GET', `flows/${ids.flow}`),
    (it) => it.state === 'completed',
  );
  // A queue that holds its jobs, so that its lanes are there to be seen.
  const held = await enqueue(`${module}.add`, { a: 1, b: 1 }, { queue: 'held' });
  await api('POST', 'queues/held/pause');
  for (const lane of ['user-41', 'user-42']) await enqueue(`${module}.add`, { a: 1, b: 1 }, { queue: 'held', lane });
  await api('PUT', `limits/${encodeURIComponent('queue:held')}`, {
    rate: '100/s',
    concurrency: 5,
    depth: 1000,
    order: 'aging',
  });
  return { ...ids, held };
}
