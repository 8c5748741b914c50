// The options that say when a task is called by itself.

import { named } from "./options.js";
import { duration, shown, whole, word } from "./values.js";

export const SCHEDULE_OPTIONS = ["every", "cron", "tz", "jitter", "catchUp", "overlap"];

/** The schedules of a task: none or one. */
export function readSchedule(given) {
  const last = Object.keys(given).at(-1);
  if (!last) return [];
  const { every, cron, tz, jitter, catchUp, overlap } = given;
  if (every === undefined && cron === undefined) {
    throw new TypeError(`\`${last}\` says nothing without \`every\` or \`cron\``);
  }
  if (every !== undefined && cron !== undefined) throw new TypeError("a task has `every` or `cron`, not both");
  if (every !== undefined && tz !== undefined) {
    throw new TypeError("`tz` says nothing of `every`, which counts from the epoch");
  }
  const trigger =
    every === undefined
      ? { tag: "cron", val: named("cron", () => line(cron)) }
      : { tag: "every-ms", val: named("every", () => span(every)) };
  return [
    {
      trigger,
      zone: tz === undefined ? undefined : named("tz", () => zone(tz)),
      jitterMs: jitter === undefined ? 0n : named("jitter", () => BigInt(duration(jitter))),
      catchUp: catchUp === undefined ? { tag: "last" } : named("catchUp", () => missed(catchUp)),
      overlap: overlap === undefined ? "allow" : named("overlap", () => word("allow", "skip", "queue", "replace")(overlap)),
    },
  ];
}

function span(value) {
  const ms = duration(value);
  if (ms < 1000) throw new TypeError("a task is called by itself once a second at most");
  return BigInt(ms);
}

/** The host reads it in full, at push. */
function line(value) {
  const text = String(value);
  const fields = text.trim().split(/\s+/).length;
  if (text.startsWith("@") || fields === 5 || fields === 6) return text;
  const form = "it has 5 fields (minute, hour, day, month, weekday) or 6 (a second in front), as in \"0 9 * * MON-FRI\"";
  throw new TypeError(`\`${text}\` is no cron line: ${form}`);
}

function zone(value) {
  if (typeof value === "string" && /^\S+$/.test(value)) return value;
  throw new TypeError(`${shown(value)} is no time zone: write it as in "Europe/Berlin"`);
}

function missed(value) {
  if (value === "none" || value === "last") return { tag: value };
  if (typeof value === "number") return { tag: "all", val: whole(1, 1000)(value) };
  throw new TypeError(`${shown(value)} is neither "none", "last" nor a number`);
}
