// Durations, sizes, rates and names, as they are written in options. Each function answers with the value, or throws a
// `TypeError` that says what to write.

const SPANS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZES = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** What a wrong value looks like in a message. */
export function shown(value) {
  if (typeof value === "string") return `\`${value}\``;
  const isNumber = typeof value === "bigint" || typeof value === "number";
  return `\`${isNumber ? value : (JSON.stringify(value) ?? String(value))}\``;
}

/** A positive whole number and a unit, multiplied; nothing where the text is none. */
function scaled(text, units) {
  const [, digits, unit] = /^(\d+)([A-Za-z]+)$/.exec(text) ?? [];
  if (!Object.hasOwn(units, unit ?? "")) return undefined;
  const value = Number(digits) * units[unit];
  return value > 0 && Number.isSafeInteger(value) ? value : undefined;
}

/** `250ms`, `30s`, `5m`, `1h` or `2d`, in milliseconds. */
export function duration(value) {
  const ms = typeof value === "string" ? scaled(value, SPANS) : undefined;
  if (ms !== undefined) return ms;
  const form = "write a whole number and `ms`, `s`, `m`, `h` or `d`, as in \"30s\"";
  throw new TypeError(`${shown(value)} is not a duration: ${form}`);
}

/** `64KiB`, `64MiB` or `1GiB`, in bytes. */
export function size(value) {
  const bytes = typeof value === "string" ? scaled(value, SIZES) : undefined;
  if (bytes !== undefined) return bytes;
  const form = "write a whole number and `KiB`, `MiB` or `GiB`, as in \"64MiB\"";
  throw new TypeError(`${shown(value)} is not a size: ${form}`);
}

/** `100/1m` or `100/s`: so many starts in each period. */
export function rate(value) {
  const [, count, period] = /^(\d+)\/(\w+)$/.exec(typeof value === "string" ? value : "") ?? [];
  const periodMs = scaled(/^\d/.test(period ?? "") ? period : `1${period}`, SPANS);
  if (Number(count) > 0 && Number(count) < 2 ** 32 && periodMs) return { count: Number(count), periodMs };
  const form = "write a number, `/` and a duration or a unit, as in \"100/1m\" or \"5/s\"";
  throw new TypeError(`${shown(value)} is not a rate: ${form}`);
}

/** A whole number within bounds. */
export function whole(least, most) {
  return (value) => {
    const fits = Number.isSafeInteger(value) || typeof value === "bigint";
    if (fits && value >= least && value <= most) return value;
    throw new TypeError(`${shown(value)} is not a whole number from ${least} to ${most}`);
  };
}

/** Bytes as they are, and a text as UTF-8. */
export function bytesOf(value) {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return new TextEncoder().encode(value);
  throw new TypeError(`${shown(value)} is neither a text nor a Uint8Array`);
}

/** The sum of a number and what a bucket has in decimal digits; nothing where that is none, or the sum has more than 64
 * bits. */
export function added(digits, by) {
  const text = digits ? new TextDecoder().decode(digits) : "0";
  if (!/^(0|-?[1-9]\d*)$/.test(text)) return undefined;
  const sum = BigInt(text) + by;
  return BigInt.asIntN(64, sum) === sum ? sum : undefined;
}

/** One of some words. */
export function word(...words) {
  return (value) => {
    if (words.includes(value)) return value;
    throw new TypeError(`${shown(value)} is not ${words.map((it) => `"${it}"`).join(" or ")}`);
  };
}

/** `true` or `false`. */
export function flag(value) {
  if (typeof value === "boolean") return value;
  throw new TypeError(`${shown(value)} is not true or false`);
}

/** A text that is not empty. */
export function text(value) {
  if (typeof value === "string" && value !== "") return value;
  throw new TypeError(`${shown(value)} is not a text`);
}

/** A task's name. */
export function taskName(value) {
  if (typeof value === "string" && /^[a-z][a-z0-9_-]*$/.test(value)) return value;
  const form = "it takes lower-case letters, digits, `_` and `-`, and a letter first";
  throw new TypeError(`${shown(value)} is no task name: ${form}`);
}
