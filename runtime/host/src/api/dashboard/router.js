// Which page an address means. Addresses are hashes, so the server knows but one document.

const PAGES = [
  ['', 'overview'],
  ['queues', 'queues'],
  ['queues/:queue', 'queue'],
  ['jobs', 'jobs'],
  ['jobs/:id', 'job'],
  ['dead', 'dead'],
  ['modules', 'modules'],
  ['modules/:module', 'module'],
  ['schedules', 'schedules'],
  ['schedules/:name', 'schedule'],
  ['flows', 'flows'],
  ['flows/:id', 'flow'],
  ['workers', 'workers'],
  ['usage', 'usage'],
  ['enqueue', 'enqueue'],
  ['enqueue/:task', 'enqueue'],
];

/** The address of a page: `href('jobs', id)`, `href('jobs', { state: 'completed' })`. */
export function href(...parts) {
  const query = typeof parts.at(-1) === 'object' ? parts.pop() : {};
  const given = Object.entries(query).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  const text = new URLSearchParams(given).toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${text && `?${text}`}`;
}

/** The page of a hash, what its address names, and its query. */
export function parse(hash) {
  const [address, query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const parts = address.split('/').filter(Boolean).map(decode);
  for (const [pattern, page] of PAGES) {
    const names = pattern.split('/').filter(Boolean);
    if (names.length !== parts.length) continue;
    if (!names.every((name, at) => name.startsWith(':') || name === parts[at])) continue;
    const params = {};
    names.forEach((name, at) => {
      if (name.startsWith(':')) params[name.slice(1)] = parts[at];
    });
    return { page, root: parts[0] ?? '', params, query: Object.fromEntries(new URLSearchParams(query)) };
  }
  return { page: 'missing', root: '', params: { address }, query: {} };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Goes there; `replace` leaves no step back to where we are. */
export function go(to, replace = false) {
  if (replace) location.replace(to);
  else location.hash = to;
}
