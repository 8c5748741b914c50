/** Requests that are repeated until the caller's time is up: the second time does nothing further. */
import { decode, encode } from "./codec.js";
import { type Asked, Patience, broken, open, read } from "./exchange.js";
import { LovageError, Problem } from "./problems.js";
import { NoAnswer } from "./failures.js";
import type { RequestOptions, Resolved } from "./settings.js";
import { millis, pause } from "./spans.js";

const MSGPACK = "application/msgpack";
/** The longest pause between two tries that the server has not asked for. */
const LONGEST = 5_000;
/** The mean of the first. */
const FIRST = 100;
/** Bytes that even a slow line takes in a millisecond. */
const SLOW = 100;

export interface Ask {
  method: "GET" | "POST";
  path: string;
  query?: Record<string, string | undefined>;
  body?: unknown;
  /** The body, where it is encoded already. */
  packed?: Uint8Array;
  /** The idempotency key of a request that makes jobs, or a flow: it is told where no answer came. */
  key?: string;
  headers?: Record<string, string>;
  /** Done twice it would do more: only what was refused is asked for again. */
  once?: boolean;
}

/** When a request must have ended, and who else may end it. */
export interface Limits {
  /** By `performance.now()`. */
  deadline: number;
  signal: AbortSignal | undefined;
}

export class Transport {
  constructor(readonly settings: Resolved) {}

  limits(options: RequestOptions | undefined, otherwise = this.settings.within): Limits {
    const within = millis(options?.within ?? otherwise, "within");
    return { deadline: performance.now() + within, signal: options?.signal };
  }

  /** Asks until there is an answer, an error that stays, or no time. */
  async ask(ask: Ask, options?: RequestOptions): Promise<unknown> {
    const limits = this.limits(options);
    const asked = this.asked(ask);
    const again = ask.once ? wasRefused : isPassing;
    return repeated(limits, again, () => this.once(asked, limits));
  }

  asked(ask: Ask): Asked {
    const { method, path } = ask;
    const headers: Record<string, string> = { ...ask.headers };
    const asked: Asked = { method, path, accept: MSGPACK, key: ask.key, headers };
    if (ask.query) asked.query = ask.query;
    const body = ask.packed ?? (ask.body === undefined ? undefined : encode(ask.body));
    if (body) {
      asked.body = body;
      headers["content-type"] = MSGPACK;
    }
    return asked;
  }

  /** One try; `beyond` is how long the server was asked to wait. */
  async once(asked: Asked, limits: Limits, beyond = 0): Promise<unknown> {
    const { settings } = this;
    const patience = new Patience(limits.signal, limits.deadline - performance.now());
    let bytes: Uint8Array;
    try {
      // Nothing is heard while a body goes out: it has the time of a slow line.
      const sending = (asked.body?.length ?? 0) / SLOW;
      patience.heard(settings.silence + beyond + sending);
      const response = await open(settings, asked, patience);
      bytes = await read(response, settings.silence, patience);
    } catch (e) {
      throw e instanceof Problem ? e : broken(settings, asked, patience, e);
    } finally {
      patience.done();
    }
    try {
      return bytes.length === 0 ? undefined : decode(bytes);
    } catch (cause) {
      const said = `the answer to ${asked.method} ${asked.path} cannot be read: is ${settings.base} a Lovage server?`;
      throw new LovageError(said, { cause });
    }
  }
}

/** Tries until it is done, cannot be, or the time is up: then the last error is thrown. */
async function repeated<T>(
  limits: Limits,
  again: (e: unknown) => boolean,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failed = 0; ; failed++) {
    try {
      return await attempt();
    } catch (e) {
      if (!again(e)) throw e;
      const wait = backoff(failed, e);
      if (performance.now() + wait >= limits.deadline) throw e;
      await pause(wait, limits.signal);
    }
  }
}

/** Whether it may be over by itself. */
export function isPassing(e: unknown): boolean {
  if (e instanceof NoAnswer || wasRefused(e)) return true;
  return e instanceof Problem && (e.kind === "unavailable" || e.kind === "timeout");
}

/** Whether it may be over by itself, and nothing was done. */
function wasRefused(e: unknown): boolean {
  if (!(e instanceof Problem)) return false;
  // A quota that time alone does not give back comes without `Retry-After`.
  if (e.kind === "quota") return e.retryAfter !== undefined;
  return e.kind === "rate-limited" || e.kind === "queue-full";
}

/**
 * How long to wait before the next try: drawn, so that what failed together does not come back
 * together, and never before the server wants it.
 */
export function backoff(failed: number, e: unknown): number {
  const most = Math.min(LONGEST, 2 * FIRST * 2 ** failed);
  const asked = e instanceof Problem ? (e.retryAfter ?? 0) * 1000 : 0;
  return asked + Math.random() * most;
}
