// Apart from the rest of the border: a component imports these interfaces only if its module opens a bucket.

import * as atomics from "wasi:keyvalue/atomics@0.2.0-draft2";
import * as batch from "wasi:keyvalue/batch@0.2.0-draft2";
import * as store from "wasi:keyvalue/store@0.2.0-draft2";
import { CallError } from "../failure.js";
import { added, bytesOf } from "../values.js";
import { drop } from "./drop.js";

/** These interfaces have no cases of their own for what the host says first. */
const SAID = { "invalid: ": "invalid", "past a limit: ": "limit" };

/** An attempt may hold so many handles, and needs one of each bucket. */
const opened = new Map();

export function open(name) {
  if (!opened.has(name)) opened.set(name, opening(name));
  return opened.get(name);
}

function opening(name) {
  const told = (call) => {
    try {
      return call();
    } catch (error) {
      throw error?.payload?.tag === undefined ? error : callError(name, error.payload);
    }
  };
  const bucket = told(() => store.open(name));
  return {
    // What the border hands out is of a realm of its own, and no `Uint8Array` to a task.
    getMany: (keys) => told(() => batch.getMany(bucket, keys)).map(([, value]) => value && new Uint8Array(value)),
    setMany: (pairs) => told(() => batch.setMany(bucket, pairs)),
    deleteMany: (keys) => told(() => batch.deleteMany(bucket, keys)),
    exists: (key) => told(() => bucket.exists(key)),
    page: (cursor) => told(() => bucket.listKeys(cursor)),
    // The engine cannot hand a negative number over (componentize-js 0.23: "coreabi_from_bigint64").
    increment: (key, by) => told(() => (by < 0n ? subtracted(bucket, key, by) : atomics.increment(bucket, key, by))),
    swap: (key, expected, value) => told(() => swap(bucket, key, expected, value)),
  };
}

function swap(bucket, key, expected, value) {
  const handle = atomics.Cas.new(bucket, key);
  // The handle goes by what is read here.
  if (same(handle.current(), expected)) return swapped(handle, value);
  drop(handle);
  return false;
}

function subtracted(bucket, key, by) {
  for (;;) {
    const handle = atomics.Cas.new(bucket, key);
    const found = handle.current();
    const sum = added(found && new Uint8Array(found), by);
    if (sum === undefined) {
      drop(handle);
      throw new CallError("invalid", `invalid: the value of \`${key}\` is no number that can be added to`);
    }
    if (swapped(handle, bytesOf(String(sum)))) return sum;
  }
}

/** Whether the value was still what the handle goes by. */
function swapped(handle, value) {
  try {
    atomics.swap(handle, value);
    return true;
  } catch (error) {
    const { tag, val } = error?.payload ?? {};
    if (tag !== "cas-failed") throw tag === "store-error" ? { payload: val } : error;
    drop(val);
    return false;
  }
}

function same(found, expected) {
  if (!found || !expected) return found === expected;
  return found.length === expected.length && found.every((byte, index) => byte === expected[index]);
}

function callError(name, { tag, val }) {
  if (tag === "access-denied") return new CallError("denied", `denied: \`bucket ${name}\` was not granted`);
  if (tag === "no-such-store") return new CallError("invalid", `invalid: there is no bucket \`${name}\``);
  const said = Object.keys(SAID).find((it) => val.startsWith(it));
  return new CallError(said ? SAID[said] : "unavailable", val);
}
