// The same tasks in every language: what a worker answers must not depend on it. Types are those of the doc comments.

import { Bucket, config, context, enqueue, Failure, sql, task, wants } from "@lovage/sdk";

/** @typedef {import("@lovage/sdk").Integer} Integer */

wants("config greeting", "bucket conformance", "sql conformance");

/** Answers with what it gets. */
export const echo = task(
  /** @param {{ value: unknown }} args */
  (args) => args.value,
);

/**
 * @typedef {object} Inner
 * @property {Integer} n
 */

/**
 * @typedef {object} Nested
 * @property {string} label
 * @property {Inner[]} inner
 */

/**
 * One of each type.
 *
 * @typedef {object} Types
 * @property {string} text
 * @property {bigint} big
 * @property {Integer} small
 * @property {number} real
 * @property {boolean} flag
 * @property {Uint8Array} blob
 * @property {Integer[]} items
 * @property {Record<string, Integer>} named
 * @property {string | null} [maybe]
 * @property {Nested} nested
 */

/** Answers with one of each type. */
export const types = task(
  /**
   * @param {Types} args
   * @returns {Types}
   */
  (args) => ({ ...args, maybe: args.maybe ?? null }),
);

/** Answers with nothing. */
export const empty = task(() => null);

/** How many bytes it gets. */
export const size = task(
  /**
   * @param {{ blob: Uint8Array }} args
   * @returns {Integer}
   */
  ({ blob }) => blob.length,
);

/** So many bytes. */
export const blob = task(
  /** @param {{ size: Integer }} args */
  ({ size }) => new Uint8Array(size).fill(7),
);

/** Fails as it is told. */
export const fail = task(
  /**
   * @param {object} args
   * @param {string} args.kind
   * @param {string} args.message
   * @param {"policy" | "now" | "never" | "after"} args.advice
   * @returns {null}
   */
  ({ kind, message, advice }) => {
    const failure = new Failure(message, { kind });
    if (advice === "now") failure.retryNow();
    if (advice === "never") failure.neverRetry();
    if (advice === "after") failure.retryAfter("50ms");
    throw failure;
  },
);

/** @returns {never} */
function inner() {
  throw new Error("boom");
}

/** Fails by an ordinary error. */
export const crash = task(() => inner());

/** Fails until an attempt. */
export const flaky = task(
  /**
   * @param {{ until: Integer }} args
   * @returns {Integer}
   */
  ({ until }) => {
    if (context.attempt < until) throw new Failure(`not before attempt ${until}`).retryNow();
    return context.attempt;
  },
);

/** Saves a state in its first attempt, and answers with it in the next. */
export const checkpointed = task(() => {
  const saved = context.restore();
  if (saved) return saved.state;
  context.checkpoint({ at: 3 });
  throw new Failure("only half").retryNow();
});

/** Runs until it is cancelled. */
export const cancellable = task(async () => {
  while (!context.cancelled()) await new Promise((resolve) => setTimeout(resolve, 5));
  return "tidied";
});

/** Tells of itself, until somebody has seen it and cancels it. */
export const report = task(async () => {
  console.log("to stdout");
  console.error("to stderr");
  context.progress(0.5, "half");
  while (!context.cancelled()) await new Promise((resolve) => setTimeout(resolve, 5));
});

/** Enqueues further jobs. */
export const children = task(
  /** @param {{ count: Integer }} args */
  ({ count }) => Array.from({ length: count }, (_, value) => enqueue("conformance.echo", { value })),
);

/**
 * @typedef {object} About
 * @property {string} id
 * @property {Integer} attempt
 * @property {Integer} max_attempts
 * @property {string} tenant
 * @property {string} module
 * @property {string} task
 * @property {string} queue
 * @property {Readonly<Record<string, string>>} headers
 */

/** What it knows of its job. */
export const about = task(
  /** @returns {About} */
  () => {
    const { id, attempt, maxAttempts, tenant, module, task, queue, headers } = context.job;
    return { id, attempt, max_attempts: maxAttempts, tenant, module, task, queue, headers };
  },
);

/** Has many options. */
export const optioned = task(
  {
    queue: "special",
    priority: 7,
    retries: 2,
    backoff: "1s",
    timeout: "5s",
    memory: "64MiB",
    unique: "done",
    resultTtl: "1h",
    concurrency: 3,
    rate: "100/1m",
  },
  () => null,
);

/** Counts words. */
export const words = task(
  { batch: { max: 10, wait: "50ms" } },
  /**
   * @param {{ text: string }[]} calls
   * @returns {Integer[]}
   */
  (calls) => calls.map(({ text }) => text.split(/\s+/).filter(Boolean).length),
);

/** A value of the tenant's. */
export const configured = task(
  /** @param {{ key: string }} args */
  ({ key }) => config.get(key) ?? null,
);

/**
 * @typedef {object} Kept
 * @property {Uint8Array | null} value
 * @property {boolean} gone
 * @property {Integer} count
 * @property {string[]} keys
 */

/** Keeps a value and a count in a bucket, and tells what is there. */
export const kept = task(
  /**
   * @param {{ value: Uint8Array }} args
   * @returns {Kept}
   */
  ({ value }) => {
    const bucket = Bucket.open("conformance");
    bucket.set("value", value);
    bucket.set("gone", "soon");
    bucket.delete("gone");
    bucket.increment("count", 5);
    const count = bucket.increment("count", -3);
    return { value: bucket.get("value") ?? null, gone: bucket.exists("gone"), count, keys: [...bucket.keys()] };
  },
);

/**
 * @typedef {object} Row
 * @property {bigint} number
 * @property {string | null} text
 */

/** Adds a row in a transaction that counts, and one in another that does not; the rows that there are. */
export const stored = task(
  /**
   * @param {{ number: bigint }} args
   * @returns {Row[]}
   */
  ({ number }) => {
    sql.query("conformance", "create table if not exists stored (number integer, text text)");
    const insert = "insert into stored (text, number) values ($2, $1)";
    sql.transaction("conformance", (it) => it.query(insert, [number, "ä"]));
    try {
      sql.transaction("conformance", (it) => {
        it.query(insert, [0, "lost"]);
        throw new Error("rolls back");
      });
    } catch {
      // It has.
    }
    sql.query("conformance", insert, [-1, null]);
    /** @type {{ rows: { number: number | bigint, text: string | null }[] }} */
    const { rows } = sql.query("conformance", "select * from stored order by number");
    return rows.map(({ number, text }) => ({ number: BigInt(number), text }));
  },
);
