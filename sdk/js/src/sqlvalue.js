// What a parameter or a column is: a value of the language, and one of the contract's.

import { SqlError } from "./failure.js";
import { exact } from "./msgpack.js";

/** A parameter, by its place from 1. */
export function toValue(value, place) {
  if (value === null || value === undefined) return { tag: "null" };
  switch (typeof value) {
    case "boolean":
      return { tag: "boolean", val: value };
    case "number":
      return Number.isSafeInteger(value) ? { tag: "integer", val: BigInt(value) } : { tag: "real", val: value };
    case "bigint":
      if (BigInt.asIntN(64, value) === value) return { tag: "integer", val: value };
      throw new SqlError("invalid", `invalid: parameter ${place} has more than 64 bits: send it as a text`);
    case "string":
      return { tag: "text", val: value };
  }
  if (value instanceof Uint8Array) return { tag: "blob", val: value };
  if (value instanceof Date && !Number.isNaN(value.getTime())) return { tag: "text", val: value.toISOString() };
  const what = value?.constructor?.name ?? typeof value;
  throw new SqlError("invalid", `invalid: parameter ${place} is a ${what}, which no database knows: send a text, such as its JSON`);
}

/** What a row has in a column. */
export function fromValue({ tag, val }) {
  if (tag === "null") return null;
  if (tag === "integer") return exact(val);
  // What the border hands out is of a realm of its own, and no `Uint8Array` to a task.
  return tag === "blob" ? new Uint8Array(val) : val;
}
