// Buckets in memory, with the bounds of real ones.

import { CallError } from "../failure.js";
import { job } from "../testing.js";
import { added } from "../values.js";

/** What a host holds keys and values to. */
const MOST = { key: 1024, value: 2 ** 20, keys: 1_000, bytes: 2 ** 24 };
/** Keys of a page: few, so that tests come to the second. */
const PAGE = 10;

export function open(name) {
  const held = job().bucket(name);
  return {
    getMany(keys) {
      check(keys);
      const found = keys.map((key) => held.get(key)?.slice());
      fits("the values of a call", found.reduce((sum, value) => sum + (value?.length ?? 0), 0), MOST.bytes);
      return found;
    },
    setMany(pairs) {
      check(pairs.map(([key]) => key));
      for (const [, value] of pairs) fits("a value", value.length, MOST.value);
      fits("the values of a call", pairs.reduce((sum, [key, value]) => sum + size(key) + value.length, 0), MOST.bytes);
      for (const [key, value] of pairs) held.set(key, value.slice());
    },
    deleteMany(keys) {
      check(keys);
      for (const key of keys) held.delete(key);
    },
    exists(key) {
      check([key]);
      return held.has(key);
    },
    page(cursor) {
      const all = [...held.keys()].sort(byBytes).filter((key) => cursor === undefined || byBytes(key, cursor) > 0);
      const keys = all.slice(0, PAGE);
      return { keys, cursor: all.length > PAGE ? keys.at(-1) : undefined };
    },
    increment(key, by) {
      check([key]);
      const sum = added(held.get(key), by);
      if (sum === undefined) throw new CallError("invalid", `invalid: the value of \`${key}\` is no number that can be added to`);
      held.set(key, new TextEncoder().encode(String(sum)));
      return sum;
    },
    swap(key, expected, value) {
      check([key]);
      fits("a value", value.length, MOST.value);
      const found = held.get(key);
      const is = found && expected ? Buffer.compare(found, expected) === 0 : found === expected;
      if (is) held.set(key, value.slice());
      return is;
    },
  };
}

const size = (key) => Buffer.byteLength(key);
const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

function check(keys) {
  fits("a call", keys.length, MOST.keys);
  for (const key of keys) {
    if (key === "") throw new CallError("limit", "past a limit: a key has at least one byte");
    fits("a key", size(key), MOST.key);
  }
}

function fits(what, count, most) {
  if (count > most) throw new CallError("limit", `past a limit: ${what} takes at most ${most}, not ${count}`);
}
