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

function read(form, value, path, defs) {
  const plan = resolved(form, defs);
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
  const { properties, additionalProperties } = plan;
  // `object` names nothing, and takes all.
  if (!properties && !additionalProperties) return value;
  const of = (key) => (Object.hasOwn(properties ?? {}, key) ? properties[key] : additionalProperties);
  const isTag = ([key]) => Object.hasOwn(of(key) || {}, "const") || of(key)?.enum;
  const entries = Object.entries(value);
  // What tells the forms of a union apart: before the rest is read, which may hold as many forms again.
  for (const [key, item] of entries.filter(isTag)) read(of(key), item, [...path, key], defs);
  const found = {};
  for (const [key, item] of entries) {
    const known = of(key);
    // What a type does not name, its author does not expect.
    if (!known) continue;
    const read_ = known === true ? item : read(known, item, [...path, key], defs);
    Object.defineProperty(found, key, { value: read_, enumerable: true, writable: true, configurable: true });
  }
  return found;
}

/** The first form that fits. */
function either(forms, value, path, defs) {
  const reasons = [];
  for (const form of ranked(forms, value, defs)) {
    try {
      return read(form, value, path, defs);
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      reasons.push(error);
    }
  }
  // The form that fitted furthest is the one that was meant.
  throw reasons.reduce((best, reason) => (reason.path.length > best.path.length ? reason : best));
}

/** The forms as they are tried: of an object those first that keep most of it, since a form leaves out what it does not
 * name; of a whole number that a float would round a bigint. */
function ranked(forms, value, defs) {
  const rank = (form) => {
    if (typeof value === "bigint") return form.$as === "bigint" ? 1 : 0;
    if (!IS.object(value)) return 0;
    const { properties = {}, additionalProperties } = resolved(form, defs);
    return Object.keys(value).filter((key) => additionalProperties || Object.hasOwn(properties, key)).length;
  };
  const all = forms.map((form) => ({ form, rank: rank(form) }));
  return all.sort((a, b) => b.rank - a.rank).map(({ form }) => form);
}

function resolved(form, defs) {
  return form.$ref ? resolved(defs[form.$ref.slice("#/$defs/".length)], defs) : form;
}

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
