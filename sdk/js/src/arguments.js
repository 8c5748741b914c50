// From the MessagePack map that a caller sent to a task's typed arguments, by the plan that the build made of their types:
// the JSON Schema, with a note (`$as`) wherever the language has a type that JSON has not. What does not fit is a failure
// that names the argument, and is never retried: the same input would fail again.

import { fromBase64 } from "./base64.js";
import { refusal } from "./failure.js";
import { decode, Malformed, place } from "./msgpack.js";
import { shown } from "./values.js";

/** What is wrong at a place of a value. */
class Mismatch extends Error {
  constructor(path, message) {
    super(message);
    this.path = path;
  }
}

/** Reads the arguments of one call. */
export function readArguments(task, plan, input) {
  const given = decoded(task, input);
  if (Object(given) !== given || Array.isArray(given) || given instanceof Uint8Array) {
    throw refusal("argument", `the input of \`${task}\` is no map of arguments`);
  }
  const names = Object.keys(plan.properties);
  for (const key of Object.keys(given)) {
    if (plan.additionalProperties !== false || Object.hasOwn(plan.properties, key)) continue;
    const known = names.length ? `its arguments are \`${names.join("`, `")}\`` : "it has none";
    throw refusal("argument", `\`${task}\` has no argument \`${key}\`: ${known}`);
  }
  const missing = plan.required.find((name) => !Object.hasOwn(given, name));
  if (missing) throw refusal("argument", `argument \`${missing}\` of \`${task}\` is missing`);
  try {
    return read(plan, given, [], plan.$defs ?? {});
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    throw refusal("argument", `argument ${place(error.path)} of \`${task}\`: ${error.message}`);
  }
}

function decoded(task, input) {
  try {
    return decode(input);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw refusal("argument", `the input of \`${task}\` is no MessagePack: ${error.message}`);
  }
}

function read(plan, value, path, defs) {
  if (plan.$ref) return read(defs[plan.$ref.slice("#/$defs/".length)], value, path, defs);
  if (plan.$as) return SPECIAL[plan.$as](value, path);
  if (plan.anyOf) return either(plan.anyOf, value, path, defs);
  if (Object.hasOwn(plan, "const")) return oneOf([plan.const], value, path);
  if (plan.enum) return oneOf(plan.enum, value, path);
  if (plan.type === undefined) return value;
  const types = [plan.type].flat();
  const fitting = types.find((type) => IS[type](value));
  if (!fitting) throw new Mismatch(path, `expected ${types.map((type) => WORDS[type]).join(" or ")}, not ${told(value)}`);
  if (fitting === "array") return items(plan, value, path, defs);
  if (fitting === "object") return properties(plan, value, path, defs);
  // What goes beyond 2^53 is rounded where the author's type is a float.
  return fitting === "number" ? Number(value) : value;
}

function items(plan, value, path, defs) {
  const first = plan.prefixItems ?? [];
  if (value.length < (plan.minItems ?? 0) || (plan.items === false && value.length > first.length)) {
    throw new Mismatch(path, `a list of ${value.length} has the wrong length`);
  }
  return value.map((item, index) => read(first[index] ?? plan.items ?? {}, item, [...path, index], defs));
}

function properties(plan, value, path, defs) {
  const missing = plan.required?.find((name) => !Object.hasOwn(value, name));
  if (missing) throw new Mismatch(path, `\`${missing}\` is missing`);
  const found = {};
  for (const [key, item] of Object.entries(value)) {
    const known = Object.hasOwn(plan.properties ?? {}, key) ? plan.properties[key] : plan.additionalProperties;
    // What a type does not name, its author does not expect.
    if (!known) continue;
    const read_ = known === true ? item : read(known, item, [...path, key], defs);
    Object.defineProperty(found, key, { value: read_, enumerable: true, writable: true, configurable: true });
  }
  return found;
}

/** The first form that fits; of an object the first that keeps most of it, since a form leaves out what it does not name. */
function either(forms, value, path, defs) {
  const reasons = [];
  const fitting = [];
  // What a float would round is a bigint, where it may be one.
  const exact = typeof value === "bigint" && forms.filter((form) => form.$as === "bigint");
  for (const form of exact?.length ? exact : forms) {
    try {
      fitting.push(read(form, value, path, defs));
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      reasons.push(error);
    }
  }
  if (fitting.length) return fitting.reduce((best, found) => (kept(found) > kept(best) ? found : best));
  // The form that fitted furthest is the one that was meant.
  throw reasons.reduce((best, reason) => (reason.path.length > best.path.length ? reason : best));
}

/** How many properties of an object are left. */
const kept = (value) => (IS.object(value) ? Object.keys(value).length : 0);

function oneOf(values, value, path) {
  if (values.includes(value)) return value;
  throw new Mismatch(path, `expected ${values.map((it) => JSON.stringify(it)).join(" or ")}, not ${told(value)}`);
}

const whole = (value) => typeof value === "bigint" || Number.isInteger(value);

const IS = {
  null: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number" || typeof value === "bigint",
  integer: (value) => Number.isSafeInteger(value),
  array: Array.isArray,
  object: (value) => Object(value) === value && !Array.isArray(value) && !(value instanceof Uint8Array),
};

const WORDS = {
  null: "null",
  boolean: "true or false",
  string: "a text",
  number: "a number",
  integer: "a whole number that 53 bits hold",
  array: "a list",
  object: "an object",
};

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** Types of the language that JSON has not. */
const SPECIAL = {
  bigint(value, path) {
    if (whole(value)) return BigInt(value);
    throw new Mismatch(path, `expected a whole number, not ${told(value)}`);
  },
  bytes(value, path) {
    if (value instanceof Uint8Array) return value;
    if (Array.isArray(value) && value.every((it) => Number.isInteger(it) && it >= 0 && it < 256)) return Uint8Array.from(value);
    const bytes = typeof value === "string" ? fromBase64(value) : undefined;
    if (bytes) return bytes;
    throw new Mismatch(path, `expected bytes, or a text in base64, not ${told(value)}`);
  },
  date(value, path) {
    // `Date` reads much else, and a time without a zone as that of wherever it is.
    const date = new Date(typeof value === "string" && RFC_3339.test(value) ? value : NaN);
    if (!Number.isNaN(date.getTime())) return date;
    throw new Mismatch(path, `expected a time such as "2027-01-31T09:00:00Z", not ${told(value)}`);
  },
};

/** A wrong value in a message: what is long is told by its kind. */
function told(value) {
  if (value === null) return "null";
  if (value instanceof Uint8Array) return "bytes";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  return shown(value);
}
