/** One request and its answer, with an end in sight whatever the other side does. */
import { NoAnswer } from "./failures.js";
import { problemOf } from "./problems.js";
import type { Resolved } from "./settings.js";

export interface Asked {
  method: "GET" | "POST";
  path: string;
  query?: Record<string, string | undefined>;
  headers?: Record<string, string>;
  body?: Uint8Array;
  /** What is taken for an answer. */
  accept: string;
  /** Of a request that makes jobs. */
  key?: string | undefined;
}

/** Ends an exchange: by the caller's signal, at a deadline, or after a silence. */
export class Patience {
  readonly #controller = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #stop = () => this.#controller.abort(this.#signal?.reason);
  readonly #deadline: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  /** What was over, if it was the time. */
  over: string | undefined;

  constructor(signal: AbortSignal | undefined, deadline: number) {
    this.#signal = signal;
    if (signal?.aborted) this.#stop();
    else signal?.addEventListener("abort", this.#stop, { once: true });
    // Timers count to 2³¹ ms, and a deadline may be `Infinity`.
    if (deadline < 2 ** 31) {
      this.#deadline = setTimeout(() => this.#end(`the time was up`), Math.max(0, deadline));
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something was heard: from now on it may be silent for so long. */
  heard(silence: number): void {
    clearTimeout(this.#silence);
    if (silence < 2 ** 31) {
      const said = `nothing was heard for ${silence / 1000} s`;
      this.#silence = setTimeout(() => this.#end(said), silence);
    }
  }

  #end(said: string): void {
    this.over = said;
    this.#controller.abort();
  }

  /** Closes the connection, wherever the exchange is. */
  close(): void {
    this.done();
    this.#controller.abort();
  }

  /** Nothing of it stays: no timer keeps a process alive, no listener the caller's signal. */
  done(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#silence);
    this.#signal?.removeEventListener("abort", this.#stop);
  }
}

/** Sends a request; resolves at the head of an answer that is none of a problem. */
export async function open(
  settings: Resolved,
  asked: Asked,
  patience: Patience,
): Promise<Response> {
  const headers: Record<string, string> = { accept: asked.accept, ...asked.headers };
  const token = settings.token();
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  const request: RequestInit = {
    method: asked.method,
    headers,
    signal: patience.signal,
    // A redirected POST would be a GET, and a token must not go elsewhere.
    redirect: "manual",
  };
  if (asked.body) request.body = asked.body as Uint8Array<ArrayBuffer>;
  const response = await settings.fetch(address(settings, asked), request);
  if (response.ok) return response;
  if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
    await response.body?.cancel();
    throw problemOf(response.status, null, REDIRECTED);
  }
  const body = new TextDecoder().decode(await read(response, settings.silence, patience));
  throw problemOf(response.status, response.headers.get("retry-after"), body);
}

const REDIRECTED = JSON.stringify({
  detail: "the server answers with a redirect: give the URL that it leads to",
});

/** The answer's body. It may take long, as long as something of it comes. */
export async function read(
  response: Response,
  silence: number,
  patience: Patience,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const reader = response.body?.getReader();
  for (let size = 0; reader;) {
    patience.heard(silence);
    const { done, value } = await reader.read();
    if (done) {
      const whole = new Uint8Array(size);
      let at = 0;
      for (const chunk of chunks) {
        whole.set(chunk, at);
        at += chunk.length;
      }
      return whole;
    }
    chunks.push(value);
    size += value.length;
  }
  return new Uint8Array();
}

/** What an exchange that broke off is told as: the caller's own reason, or that no answer came. */
export function broken(
  settings: Resolved,
  asked: Asked,
  patience: Patience,
  cause: unknown,
): unknown {
  if (patience.signal.aborted && patience.over === undefined) return patience.signal.reason;
  const why = patience.over ?? reasons(cause);
  const again = asked.key ? `; with the key \`${asked.key}\` it is safe to send again` : "";
  const said = `no answer from ${settings.base} to ${asked.method} ${asked.path}: ${why}${again}`;
  return new NoAnswer(said, { cause, key: asked.key });
}

/** `fetch` says "fetch failed", and the reason beneath. */
function reasons(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : undefined;
  const code = cause && "code" in cause ? String(cause.code) : undefined;
  const inner = cause?.message || code;
  return inner ? `${error.message}: ${inner}` : error.message;
}

function address(settings: Resolved, asked: Asked): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(asked.query ?? {})) {
    if (value !== undefined) query.set(name, value);
  }
  const behind = query.toString();
  return settings.base + asked.path + (behind === "" ? "" : `?${behind}`);
}
