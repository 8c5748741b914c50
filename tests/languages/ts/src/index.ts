// The same tasks in every language: what a worker answers must not depend on it.

import { Bucket, config, context, enqueue, Failure, type Integer, sql, task, wants } from "@lovage/sdk";

wants("config greeting", "bucket conformance", "sql conformance");

/** Answers with what it gets. */
export const echo = task((args: { value: unknown }): unknown => args.value);

interface Inner {
  n: Integer;
}

interface Nested {
  label: string;
  inner: Inner[];
}

/** One of each type. */
interface Types {
  text: string;
  big: bigint;
  small: Integer;
  real: number;
  flag: boolean;
  blob: Uint8Array;
  items: Integer[];
  named: Record<string, Integer>;
  maybe?: string | null;
  nested: Nested;
}

/** Answers with one of each type. */
export const types = task((args: Types): Types => ({ ...args, maybe: args.maybe ?? null }));

/** Answers with nothing. */
export const empty = task((): null => null);

/** How many bytes it gets. */
export const size = task(({ blob }: { blob: Uint8Array }): Integer => blob.length);

/** So many bytes. */
export const blob = task(({ size }: { size: Integer }) => new Uint8Array(size).fill(7));

/** Fails as it is told. */
export const fail = task(
  ({ kind, message, advice }: { kind: string; message: string; advice: "policy" | "now" | "never" | "after" }): null => {
    const failure = new Failure(message, { kind });
    if (advice === "now") failure.retryNow();
    if (advice === "never") failure.neverRetry();
    if (advice === "after") failure.retryAfter("50ms");
    throw failure;
  },
);

function inner(): never {
  throw new Error("boom");
}

/** Fails by an ordinary error. */
export const crash = task((): null => inner());

/** Fails until an attempt. */
export const flaky = task(({ until }: { until: Integer }): Integer => {
  if (context.attempt < until) throw new Failure(`not before attempt ${until}`).retryNow();
  return context.attempt;
});

/** Saves a state in its first attempt, and answers with it in the next. */
export const checkpointed = task((): unknown => {
  const saved = context.restore();
  if (saved) return saved.state;
  context.checkpoint({ at: 3 });
  throw new Failure("only half").retryNow();
});

/** Runs until it is cancelled. */
export const cancellable = task(async (): Promise<string> => {
  while (!context.cancelled()) await new Promise((resolve) => setTimeout(resolve, 5));
  return "tidied";
});

/** Tells of itself, until somebody has seen it and cancels it. */
export const report = task(async (): Promise<void> => {
  console.log("to stdout");
  console.error("to stderr");
  context.progress(0.5, "half");
  while (!context.cancelled()) await new Promise((resolve) => setTimeout(resolve, 5));
});

/** Enqueues further jobs. */
export const children = task(({ count }: { count: Integer }): string[] =>
  Array.from({ length: count }, (_, value) => enqueue("conformance.echo", { value })),
);

interface About {
  id: string;
  attempt: Integer;
  max_attempts: Integer;
  tenant: string;
  module: string;
  task: string;
  queue: string;
  headers: Record<string, string>;
}

/** What it knows of its job. */
export const about = task((): About => {
  const { id, attempt, maxAttempts, tenant, module, task, queue, headers } = context.job;
  return { id, attempt, max_attempts: maxAttempts, tenant, module, task, queue, headers };
});

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
  (): null => null,
);

/** Counts words. */
export const words = task({ batch: { max: 10, wait: "50ms" } }, (calls: { text: string }[]): Integer[] =>
  calls.map(({ text }) => text.split(/\s+/).filter(Boolean).length),
);

/** A value of the tenant's. */
export const configured = task(({ key }: { key: string }): string | null => config.get(key) ?? null);

interface Kept {
  value: Uint8Array | null;
  gone: boolean;
  count: Integer;
  keys: string[];
}

/** Keeps a value and a count in a bucket, and tells what is there. */
export const kept = task(({ value }: { value: Uint8Array }): Kept => {
  const bucket = Bucket.open("conformance");
  bucket.set("value", value);
  bucket.set("gone", "soon");
  bucket.delete("gone");
  bucket.increment("count", 5);
  const count = bucket.increment("count", -3);
  return { value: bucket.get("value") ?? null, gone: bucket.exists("gone"), count, keys: [...bucket.keys()] };
});

interface Row {
  number: bigint;
  text: string | null;
}

/** Adds a row in a transaction that counts, and one in another that does not; the rows that there are. */
export const stored = task(({ number }: { number: bigint }): Row[] => {
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
  const { rows } = sql.query<{ number: number | bigint; text: string | null }>(
    "conformance",
    "select * from stored order by number",
  );
  return rows.map(({ number, text }) => ({ number: BigInt(number), text }));
});
