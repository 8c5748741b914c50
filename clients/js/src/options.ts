/** What a call says beside its arguments. */
import type { Int64, Span } from "./records.js";
import type { RequestOptions } from "./settings.js";
import { spanText } from "./spans.js";

/** Beside which other jobs a job may not be. */
export interface Unique {
  /** What is to be unique: else the task with its arguments. */
  key?: string | undefined;
  /** `done`, if nothing is said, `start`, or a span. */
  until?: "start" | "done" | Span | undefined;
  /** What becomes of a second one: the first is answered, it is refused, or takes its place. */
  conflict?: "existing" | "reject" | "replace" | undefined;
}

/** The waits between attempts; what is left out is `5s`, 3 and `1h`. */
export interface Backoff {
  base?: Span | undefined;
  factor?: number | undefined;
  max?: Span | undefined;
}

/** What the task's author has said holds for all that a call leaves out. */
export interface CallOptions {
  queue?: string | undefined;
  lane?: string | undefined;
  /** 0 to 9, 9 first. */
  priority?: number | undefined;
  /** How long it waits before it may run. */
  delay?: Span | undefined;
  /** When it may run: a time, not together with `delay`. */
  eta?: Date | string | undefined;
  /** By when, or (`"10m"`) how soon, it must have begun; else it is cancelled. */
  expires?: Date | string | undefined;
  /** An idempotency key: else the client makes one of its own. */
  key?: string | undefined;
  unique?: Unique | undefined;
  /** How often it is tried again. */
  retries?: number | undefined;
  /** The waits between attempts: at most `base`, then `factor` times as much, up to `max`. */
  backoff?: Span | Backoff | undefined;
  /** How old it may be for another attempt. */
  maxAge?: Span | undefined;
  /** Whether what ran out of fuel or memory is tried again. */
  retryExhausted?: boolean | undefined;
  /** How long an attempt may take. */
  timeout?: Span | undefined;
  /** After which an attempt hears that it should stop. */
  softTimeout?: Span | undefined;
  /** Units of fuel that an attempt may burn. */
  fuel?: Int64 | undefined;
  /** Bytes of memory that an attempt may hold. */
  memory?: Int64 | undefined;
  /** How long the completed job and its result are kept. */
  resultTtl?: Span | undefined;
  /** Run this release, whichever is active. */
  release?: number | undefined;
  /** Words to find it by. */
  tags?: string[] | undefined;
  /** What the task sees beside its arguments; `traceparent` is its trace. */
  headers?: Record<string, string> | undefined;
}

/** A call of a task, to be enqueued. */
export interface Call extends CallOptions {
  /** `module.task` */
  task: string;
  args?: object;
}

/** Every option by the name that it has in the API. */
const NAMES: Record<Exclude<keyof CallOptions, "delay">, string> = {
  queue: "queue",
  lane: "lane",
  priority: "priority",
  eta: "eta",
  expires: "expires",
  key: "key",
  unique: "unique",
  retries: "retries",
  backoff: "backoff",
  maxAge: "max_age",
  retryExhausted: "retry_exhausted",
  timeout: "timeout",
  softTimeout: "soft_timeout",
  fuel: "fuel",
  memory: "memory",
  resultTtl: "result_ttl",
  release: "release",
  tags: "tags",
  headers: "headers",
};
const SPANS = new Set(["backoff", "timeout", "softTimeout", "maxAge", "resultTtl"]);
const TIMES = new Set(["eta", "expires"]);

/** A call as the API takes it. An option that is not known is refused: it would do nothing. */
export function callBody(call: Call): Record<string, unknown> {
  const { task, args, ...options } = call;
  const body: Record<string, unknown> = { task, args: args ?? {} };
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (name === "delay") {
      if (options.eta !== undefined) throw new TypeError("a call has a `delay` or an `eta`");
      body["eta"] = spanText(value as Span, name);
      continue;
    }
    const known = Object.hasOwn(NAMES, name) ? NAMES[name as keyof typeof NAMES] : undefined;
    if (known === undefined) throw new TypeError(`a call has no option \`${name}\``);
    body[known] = optionValue(name, value);
  }
  return body;
}

function optionValue(name: string, value: unknown): unknown {
  if (TIMES.has(name)) {
    if (value instanceof Date) return value.toISOString();
    // A number might be meant as either, so it is neither.
    if (typeof value !== "string") {
      throw new TypeError(`\`${name}\` is a Date, a time as a text, or a span as in "10m"`);
    }
    return value;
  }
  if (name === "backoff" && typeof value === "object") {
    const parts = Object.entries(value as Backoff).filter(([, it]) => it !== undefined);
    const text = (part: string, it: Span): Span => (part === "factor" ? it : spanText(it, part));
    return Object.fromEntries(parts.map(([part, it]) => [part, text(part, it)]));
  }
  if (name === "unique") {
    const { until, ...rest } = value as Unique;
    return typeof until === "number" ? { ...rest, until: spanText(until, "until") } : value;
  }
  if (SPANS.has(name)) return spanText(value as Span, name);
  return value;
}

/** What of some options is the request's, and what the call's. */
export function divided(options: CallOptions & RequestOptions = {}): {
  call: CallOptions;
  request: RequestOptions;
} {
  const { within, signal, ...call } = options;
  return { call, request: { within, signal } };
}
