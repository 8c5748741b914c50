// A task's options, from how an author writes them to how the contract has them. An unknown or wrong one is refused by
// its name.

import { readSchedule, SCHEDULE_OPTIONS } from "./schedule.js";
import { duration, flag, rate, shown, size, taskName, text, whole, word } from "./values.js";

const U32 = 2 ** 32 - 1;

/** How the waits between attempts grow. The host's own defaults are spelled out, since the contract knows a backoff only
 * as a whole. */
function backoff(value) {
  const { base, factor, max, ...rest } = typeof value === "string" ? { base: value } : Object(value);
  const unknown = Object.keys(rest)[0];
  if (unknown) throw new TypeError(`no option \`${unknown}\`: the options of \`backoff\` are base, factor, max`);
  const baseMs = base === undefined ? 5_000 : duration(base);
  const maxMs = max === undefined ? Math.max(3_600_000, baseMs) : duration(max);
  if (maxMs < baseMs) throw new TypeError("a backoff's `max` is at least its `base`");
  if (factor !== undefined && !(Number.isFinite(factor) && factor >= 1)) {
    throw new TypeError("a backoff's `factor` is a number from 1");
  }
  return { baseMs: BigInt(baseMs), factor: factor ?? 3, maxMs: BigInt(maxMs) };
}

function until(value) {
  if (value === "start" || value === "done") return { tag: value };
  try {
    return { tag: "for-ms", val: BigInt(duration(value)) };
  } catch {
    const form = "write \"start\", \"done\" or a duration, as in \"5m\"";
    throw new TypeError(`${shown(value)} is not what a job is unique until: ${form}`);
  }
}

function batch(value) {
  const { max, wait, ...rest } = Object(value);
  const unknown = Object.keys(rest)[0];
  if (unknown) throw new TypeError(`no option \`${unknown}\`: the options of \`batch\` are max, wait`);
  const waitMs = duration(wait);
  if (waitMs > 60_000) throw new TypeError("a batch waits a minute at most");
  return { max: whole(1, 1000)(max), waitMs: BigInt(waitMs) };
}

const bigMs = (value) => BigInt(duration(value));

/** Each option by name: the field of the contract's record, and how its value is read. */
const OPTIONS = {
  name: ["name", taskName],
  queue: ["queue", text],
  priority: ["priority", whole(0, 9)],
  // One less than the contract's type holds, for the first run.
  retries: ["maxAttempts", (value) => whole(0, U32 - 1)(value) + 1],
  backoff: ["backoff", backoff],
  maxAge: ["maxAgeMs", bigMs],
  retryExhausted: ["retryExhausted", flag],
  timeout: ["timeoutMs", bigMs],
  softTimeout: ["softTimeoutMs", bigMs],
  expires: ["expiryMs", bigMs],
  resultTtl: ["resultTtlMs", bigMs],
  unique: ["until", until],
  onConflict: ["conflict", word("existing", "reject", "replace")],
  fuel: ["fuel", (value) => BigInt(whole(1, 2n ** 64n - 1n)(value))],
  memory: ["memory", (value) => BigInt(size(value))],
  rate: ["rate", (value) => { const { count, periodMs } = rate(value); return { count, periodMs: BigInt(periodMs) }; }],
  concurrency: ["concurrency", whole(1, U32)],
  batch: ["batch", batch],
};

/**
 * Reads what stands in `task({ … })`: the task's name if one is said, its options, schedules and batch as the contract
 * has them.
 */
export function readOptions(given) {
  const fields = {};
  const schedule = {};
  for (const [option, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (SCHEDULE_OPTIONS.includes(option)) {
      schedule[option] = value;
      continue;
    }
    if (!Object.hasOwn(OPTIONS, option)) {
      const all = [...Object.keys(OPTIONS), ...SCHEDULE_OPTIONS].join(", ");
      throw new TypeError(`no option \`${option}\`: the options are ${all}`);
    }
    const [field, read] = OPTIONS[option];
    fields[field] = named(option, () => read(value));
  }
  const { name, until, conflict, batch, ...options } = fields;
  if (conflict && !until) throw new TypeError("`onConflict` says nothing without `unique`");
  if (until) options.unique = { until, conflict: conflict ?? "existing" };
  return { name, options, batch, schedules: readSchedule(schedule) };
}

/** Puts the option's name before what is wrong with its value. */
export function named(option, read) {
  try {
    return read();
  } catch (error) {
    throw new TypeError(`option \`${option}\`: ${error.message}`);
  }
}
