/**
 * MessagePack, exact both ways: bytes are bytes, and whole numbers keep all of their 64 bits.
 *
 * What cannot be sent as it is meant is refused by its place, before there is a request.
 */
import { type DecoderOptions, decode as unpack, encode as pack } from "@msgpack/msgpack";

/** Levels that a request's body may have: what the server takes, its own among them. */
const MAX_DEPTH = 128;
/** Characters of a place or a name that are told. */
const MOST_TOLD = 100;
const MIN_INT64 = -(2n ** 63n);
const MAX_UINT64 = 2n ** 64n - 1n;
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
/** With `u`, pairs are one character: what is left are the halves that stand alone. */
const LONE_HALF = /\p{Surrogate}/u;
/** What a text has that was cut within a character, and UTF-8 cannot have. */
const HALF = "half of a surrogate pair: cut it elsewhere, or send its `toWellFormed()`";
const BOXED = /^\[object (Number|String|Boolean|BigInt|Symbol)\]$/;

/** `at` is the value's place in the body, for what is wrong with it. */
export function encode(value: unknown, at = ""): Uint8Array {
  const options = { useBigInt64: true, ignoreUndefined: true, maxDepth: MAX_DEPTH + 2 };
  // Each step of the place is a level that the server counts, too.
  return pack(sendable(value, at, at.split("/").length - 1), options);
}

/** A map of one list, whose items are encoded already. */
export function encodedList(name: string, items: readonly Uint8Array[]): Uint8Array {
  const begin = [...pack(name), 0xdd];
  const size = items.reduce((sum, it) => sum + it.length, 1 + begin.length + 4);
  const whole = new Uint8Array(size);
  whole.set([0x81, ...begin]);
  new DataView(whole.buffer).setUint32(1 + begin.length, items.length);
  let at = 1 + begin.length + 4;
  for (const item of items) {
    whole.set(item, at);
    at += item.length;
  }
  return whole;
}

export function decode(bytes: Uint8Array): unknown {
  return received(unpack(bytes, { useBigInt64: true, keyDecoder }));
}

/**
 * The decoder refuses a key `__proto__`, which is a key like any other in what a job is given: it
 * gets there with a dot before it, as does what would be taken for such a one.
 */
const keyDecoder: NonNullable<DecoderOptions["keyDecoder"]> = {
  canBeCached: (length) => length >= "__proto__".length,
  decode: (bytes, from, length) => {
    const key = utf8.decode(bytes.subarray(from, from + length));
    return /^\.*__proto__$/.test(key) ? `.${key}` : key;
  },
};

/** Base64, for what is sent where bytes have no form of their own. */
export function base64(bytes: Uint8Array): string {
  let text = "";
  for (let from = 0; from < bytes.length; from += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(from, from + 0x8000));
  }
  return btoa(text);
}

/** What is sent to where the server reads JSON: bytes as the Base64 texts that they are there. */
export function withoutBytes(value: unknown): unknown {
  return sendable(value, "", 0, base64);
}

/** As the encoder takes it, with bytes as `form` has them. */
function sendable(
  value: unknown,
  at: string,
  depth: number,
  form: (bytes: Uint8Array) => unknown = (it) => it,
): unknown {
  switch (typeof value) {
    case "string":
      if (!isWellFormed(value)) throw new TypeError(`${place(at)}: the text has ${HALF}`);
      return value;
    case "boolean":
    case "undefined":
      return value;
    case "number":
      // As a number the encoder would make a float of what is past 32 bits.
      return Number.isSafeInteger(value) && Math.abs(value) > 0x7fffffff ? BigInt(value) : value;
    case "bigint":
      if (value < MIN_INT64 || value > MAX_UINT64) {
        throw new RangeError(`${place(at)}: ${value} has more than 64 bits: send it as a text`);
      }
      return value;
    case "object":
      return value === null ? null : sendableObject(value, at, depth, form);
    default:
      throw new TypeError(`${place(at)}: a ${typeof value} cannot be sent`);
  }
}

function sendableObject(
  value: object,
  at: string,
  depth: number,
  form: (bytes: Uint8Array) => unknown,
): unknown {
  if (value instanceof ArrayBuffer) return form(new Uint8Array(value));
  if (isBytes(value)) return form(bytesOf(value));
  if (Array.isArray(value)) {
    // A hole or `undefined` is null, as in JSON: it must not move what comes behind it.
    return Array.from(value, (it, n) => {
      return sendable(it ?? null, `${at}/${n}`, deeper(depth, at), form);
    });
  }
  if (value instanceof Date && Number.isNaN(value.getTime())) {
    throw new TypeError(`${place(at)}: it is an Invalid Date: send one that has a time, or null`);
  }
  if ("toJSON" in value && typeof value.toJSON === "function") {
    const plain: unknown = value.toJSON("");
    // Another object takes a level, as it might be one that makes another, without end.
    const isObject = typeof plain === "object" && plain !== null;
    return sendable(plain, at, isObject ? deeper(depth, at) : depth, form);
  }
  if (Symbol.iterator in value || isPromise(value) || isBlob(value) || isClosed(value)) {
    const kind = value.constructor?.name || "object";
    const article = /^[AEIO]/i.test(kind) ? "an" : "a";
    throw new TypeError(`${place(at)}: ${article} ${kind} cannot be sent: ${advice(value)}`);
  }
  const entries = Object.entries(value).filter(([, it]) => it !== undefined);
  const sent: [string, unknown][] = entries.map(([name, it]) => {
    if (!isWellFormed(name)) {
      throw new TypeError(`${place(at)}: the name ${shortened(JSON.stringify(name))} has ${HALF}`);
    }
    return [name, sendable(it, `${at}/${escaped(name)}`, deeper(depth, at), form)];
  });
  return Object.fromEntries(sent);
}

/** The depth of what lies in something of this depth. */
function deeper(depth: number, at: string): number {
  if (depth < MAX_DEPTH) return depth + 1;
  const said = `it makes the request more than ${MAX_DEPTH} levels deep, or lies in itself`;
  throw new TypeError(`${place(at)}: ${said}`);
}

function received(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (typeof value !== "object" || value === null || isBytes(value)) return value;
  if (Array.isArray(value)) {
    value.forEach((it, n) => (value[n] = received(it)));
    return value;
  }
  const entries = Object.entries(value).map(([name, it]): [string, unknown] => {
    return [/^\.+__proto__$/.test(name) ? name.slice(1) : name, received(it)];
  });
  return Object.fromEntries(entries);
}

function isBytes(value: unknown): value is Uint8Array | Uint8ClampedArray | DataView {
  return (
    value instanceof Uint8Array || value instanceof Uint8ClampedArray || value instanceof DataView
  );
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function isPromise(value: object): boolean {
  return "then" in value && typeof value.then === "function";
}

function isBlob(value: object): boolean {
  return "arrayBuffer" in value && typeof value.arrayBuffer === "function";
}

/**
 * Whether it keeps what it is where no property shows it: an Error, a RegExp, a boxed number, a
 * WeakMap. Instances of classes do not, with a tag of their author's neither.
 */
function isClosed(value: object): boolean {
  if (tagOf(value) === "[object Object]") return false;
  return !(Symbol.toStringTag in value) || Object.keys(value).length === 0;
}

function tagOf(value: object): string {
  return Object.prototype.toString.call(value);
}

function advice(value: object): string {
  if (isPromise(value)) return "await it first";
  if (isBlob(value)) return "send its bytes, `new Uint8Array(await it.arrayBuffer())`";
  if (value instanceof Map) return "make it an object, with `Object.fromEntries`";
  if (value instanceof Error) return "send its `message`";
  if (value instanceof RegExp) return "send its `source`";
  if (BOXED.test(tagOf(value))) return "send its `valueOf()`";
  if (Symbol.iterator in value) return "make it a list, with `Array.from`, or a Uint8Array";
  return "send an object of what it holds";
}

function isWellFormed(text: string): boolean {
  // Older browsers have no such method.
  const asked: string & { isWellFormed?(): boolean } = text;
  return asked.isWellFormed?.() ?? !LONE_HALF.test(text);
}

function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function place(at: string): string {
  return shortened(at) || "the value";
}

function shortened(text: string): string {
  return text.length > MOST_TOLD ? `${text.slice(0, MOST_TOLD)}…` : text;
}
