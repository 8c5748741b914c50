/** What a client is told once. */
import type { Span } from "./records.js";
import { millis } from "./spans.js";

export interface Settings {
  /** Where the server is. Else `LOVAGE_URL`, or `http://localhost:7777`. */
  url?: string | URL | undefined;
  /** Else `LOVAGE_TOKEN`. */
  token?: string | undefined;
  /** How long a request is tried, all repeats together: 30 s. */
  within?: Span | undefined;
  /** How long a connection may say nothing, beyond what it was asked to wait: 10 s. */
  silence?: Span | undefined;
  /** How long `wait` and `result` wait where they are not told: 5 minutes. */
  wait?: Span | undefined;
  /** How long the server is asked to wait in one request: 30 s; it does for 60 s at most. */
  poll?: Span | undefined;
  /** Instead of the global `fetch`: with a connection pool of your own, say. */
  fetch?: typeof globalThis.fetch | undefined;
}

/** What a single request is told. */
export interface RequestOptions {
  /** How long it may take, all repeats together. */
  within?: Span | undefined;
  /** Gives up at once. What the server has begun, it does. */
  signal?: AbortSignal | undefined;
}

/** The settings once they are looked up, in milliseconds. */
export interface Resolved {
  /** With no slash at its end. */
  base: string;
  /** A function, so that the token is in nothing that is printed, logged or made JSON of. */
  token: () => string | undefined;
  within: number;
  silence: number;
  wait: number;
  poll: number;
  fetch: typeof globalThis.fetch;
}

/** All of them: the type checker says where one is missing. */
const NAMES: Record<keyof Settings, true> = {
  url: true,
  token: true,
  within: true,
  silence: true,
  wait: true,
  poll: true,
  fetch: true,
};

export function resolve(settings: Settings): Resolved {
  checkNames(settings);
  const url = serverUrl(settings.url ?? environment("LOVAGE_URL") ?? "http://localhost:7777");
  if (url.username || url.password || url.search || url.hash) {
    throw new TypeError("the URL is a server's and no more: a token goes into `token`");
  }
  const token = settings.token ?? environment("LOVAGE_TOKEN");
  // `fetch` would say so of each request, as if it had not reached the server.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new TypeError("the token has a character that none has, such as a space or a line's end");
  }
  // Bound, since browsers refuse a `fetch` that is called as somebody's method.
  const fetched = settings.fetch ?? globalThis.fetch.bind(globalThis);
  return {
    base: url.origin + url.pathname.replace(/\/+$/, ""),
    token: () => token,
    within: millis(settings.within ?? 30_000, "within"),
    silence: millis(settings.silence ?? 10_000, "silence"),
    wait: millis(settings.wait ?? 300_000, "wait"),
    poll: Math.min(60_000, millis(settings.poll ?? 30_000, "poll")),
    fetch: fetched,
  };
}

/** A setting that is not known is refused: it would do nothing, and the server might be another. */
function checkNames(settings: Settings): void {
  if (typeof settings !== "object" || settings === null || settings instanceof URL) {
    throw new TypeError('a client takes its settings by name: write `{ url: "http://…" }`');
  }
  const unknown = Object.keys(settings).find((it) => !Object.hasOwn(NAMES, it));
  if (unknown === undefined) return;
  const known = Object.keys(NAMES).join("`, `");
  throw new TypeError(`a client has no setting \`${unknown}\`: the settings are \`${known}\``);
}

function serverUrl(said: string | URL): URL {
  const url = parsed(said);
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  const forms = "the URL is `http://…` or `https://…`";
  const hasScheme = String(said).includes("://");
  if (url && hasScheme) throw new TypeError(`${forms}, not \`${url.protocol}//…\``);
  // `localhost:7777` is one with the scheme `localhost`. Of what was said no more than the host is
  // told: a secret may stand beside it.
  const meant = hasScheme ? undefined : parsed(`http://${said}`)?.origin;
  throw new TypeError(`${forms}: write \`${meant ?? "http://localhost:7777"}\``);
}

function parsed(url: string | URL): URL | undefined {
  try {
    return new URL(url);
  } catch {
    return undefined;
  }
}

/** Where there is an environment: not in browsers. */
function environment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name] || undefined;
}
