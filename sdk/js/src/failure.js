// A task's own account of why it did not succeed, and how any other error becomes one.

import { trace } from "./trace.js";
import { duration, shown } from "./values.js";

/** Why a task did not succeed, and what to do next. Without advice, the job's retry policy says. */
export class Failure extends Error {
  constructor(message, { kind = "error", detail, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "Failure";
    this.kind = kind;
    this.detail = detail;
    this.retry = { tag: "policy" };
  }

  /** Asks for the next attempt at once. It counts as one. */
  retryNow() {
    this.retry = { tag: "now" };
    return this;
  }

  /** Asks for the next attempt after a while: "30s", or milliseconds. It counts as one. */
  retryAfter(wait) {
    this.retry = { tag: "after", val: milliseconds(wait) };
    return this;
  }

  /** Asks for no further attempt: the job is discarded. */
  neverRetry() {
    this.retry = { tag: "never" };
    return this;
  }
}

/** What the host did not do that the module asked of it. Its `code` is `denied`, `invalid`, `limit` or `unavailable`. */
export class CallError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "CallError";
    this.code = code;
  }
}

/** Why a database did not carry a statement out. */
export class SqlError extends Error {
  /** `state` is the database's own code, where it said something. */
  constructor(code, message, { state, mayRetry = code === "unavailable" } = {}) {
    super(message);
    this.name = "SqlError";
    this.code = code;
    this.state = state;
    this.mayRetry = mayRetry;
  }
}

/** A duration as text or in milliseconds, as the contract has it. */
export function milliseconds(span) {
  if (typeof span !== "number") return BigInt(duration(span));
  const whole = Math.round(span);
  if (whole >= 0 && Number.isSafeInteger(whole)) return BigInt(whole);
  throw new TypeError(`${shown(span)} is no number of milliseconds`);
}

/** What the same input would only meet again. */
export function refusal(kind, message) {
  return new Failure(message, { kind }).neverRetry();
}

/** Whatever was thrown, as the contract's record. All of it is text, whatever is in the place of texts: else it would trap. */
export function failureRecord(thrown) {
  if (thrown instanceof Failure) {
    const { kind, message, retry } = thrown;
    const detail = thrown.detail ?? (thrown.cause === undefined ? undefined : `caused by: ${account(thrown.cause)}`);
    return { kind: text(kind), message: text(message), detail: detail === undefined ? undefined : text(detail), retry };
  }
  const retry = { tag: "policy" };
  if (!(thrown instanceof Error)) return { kind: "error", message: worded(thrown), detail: undefined, retry };
  return { kind: className(thrown), message: text(thrown.message), detail: account(thrown), retry };
}

/** Of the JSON of what was thrown nobody wants all. */
const LONGEST = 1_000;

/** As text, where a value has one: an object without a prototype has none. */
function text(value) {
  try {
    return String(value);
  } catch {
    return `a value without a text (${typeof value})`;
  }
}

/** What was thrown, and is no error: its own message, or what it shows as JSON, which says more than `[object Object]`. */
function worded(thrown) {
  if (Object(thrown) !== thrown || typeof thrown === "function") return text(thrown);
  try {
    if (typeof thrown.message === "string") return thrown.message;
    const plain = text(thrown);
    return plain === "[object Object]" ? JSON.stringify(thrown).slice(0, LONGEST) : plain;
  } catch {
    return text(thrown);
  }
}

/** A class that does not set a name of its own has that of `Error`. */
function className(error) {
  const own = error.constructor?.name;
  return text(error.name === "Error" && own ? own : error.name || "Error");
}

/** Of an error made of many, so many are told. */
const MANY = 8;

/** An error as Node would print it, with its causes, and with those that it is made of. */
function account(error, depth = 0) {
  if (!(error instanceof Error)) return worded(error);
  const lines = [`${className(error)}: ${text(error.message)}`, ...trace(error)];
  const parts = error instanceof AggregateError && Array.isArray(error.errors) ? error.errors : [];
  // Each level may have as many again.
  if (depth < 2) {
    for (const part of parts.slice(0, MANY)) lines.push(`one of ${parts.length}: ${account(part, depth + 1)}`);
  }
  if (error.cause !== undefined && depth < 8) lines.push(`caused by: ${account(error.cause, depth + 1)}`);
  return lines.join("\n");
}
