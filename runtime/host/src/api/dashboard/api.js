// The one place that talks to the server: JSON in and out, the token on each request, problems as errors.

const KEPT = 'lovage-token';

/** An answer that is no success, as the server's problem document tells it. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || `the server answered ${status}`);
    this.status = status;
    this.type = document.type ?? '';
    this.title = document.title || `error ${status}`;
    this.detail = document.detail ?? '';
    this.errors = Array.isArray(document.errors) ? document.errors : [];
    this.retryAfter = document.retryAfter ?? null;
  }
}

/** The token of this tab: it is never written anywhere that outlives it. */
export const token = {
  get: () => sessionStorage.getItem(KEPT),
  set: (text) => sessionStorage.setItem(KEPT, text),
  forget: () => sessionStorage.removeItem(KEPT),
};

let refused = () => {};

/** Calls `then` whenever the server wants a token, or another one. */
export const onRefused = (then) => {
  refused = then;
};

/** A path of the API, each part encoded: `path('jobs', id)`, with what of `query` is not empty. */
export function path(...parts) {
  const query = typeof parts.at(-1) === 'object' ? parts.pop() : {};
  const given = Object.entries(query).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  const text = new URLSearchParams(given).toString();
  return `v1/${parts.map(encodeURIComponent).join('/')}${text && `?${text}`}`;
}

/** A request, with the token; an answer that is no success is thrown as a `Problem`. */
export async function request(url, init = {}) {
  const headers = new Headers(init.headers);
  if (token.get()) headers.set('Authorization', `Bearer ${token.get()}`);
  let response;
  try {
    response = await fetch(url, { ...init, headers, cache: 'no-store', credentials: 'omit', redirect: 'error' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, { title: 'no answer', detail: 'the server cannot be reached: is `lovage serve` running?' });
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  problem.retryAfter = response.headers.get('Retry-After');
  if (response.status === 401) refused();
  throw new Problem(response.status, problem);
}

async function json(method, url, body, signal) {
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const response = await request(url, {
    method,
    headers,
    signal,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}

export const get = (url, signal) => json('GET', url, undefined, signal);
export const post = (url, body) => json('POST', url, body);
export const put = (url, body) => json('PUT', url, body);
export const remove = (url) => json('DELETE', url);

/** What a path holds, as a file for the user. A link could not send the token. */
export async function download(url, name) {
  const as = (type) => request(url, { headers: { Accept: type } });
  // Bytes where it is bytes; what is not is JSON.
  const response = await as('application/octet-stream').catch((error) => {
    if (error.status !== 406) throw error;
    return as('application/json');
  });
  const blob = await response.blob();
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
