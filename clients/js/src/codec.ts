/**
 * MessagePack, exact both ways: bytes are bytes, and whole numbers keep all of their 64 bits.
 *
 * What cannot be sent as it is meant is refused by its place, before there is a request.
 */
import { decode as unpack, encode as pack } from "@msgpack/msgpack";

/** Levels of nesting that are sent. */
const MAX_DEPTH = 100;
const MIN_INT64 = -(2n ** 63n);
const MAX_UINT64 = 2n ** 64n - 1n;

export function encode(value: unknown): Uint8Array {
  const options = { useBigInt64: true, ignoreUndefined: true, maxDepth: MAX_DEPTH + 2 };
  return pack(sendable(value, "", 0), options);
}

export function decode(bytes: Uint8Array): unknown {
  return received(unpack(bytes, { useBigInt64: true }));
}

/** Base64, for what is sent where bytes have no form of their own. */
export function base64(bytes: Uint8Array): string {
  let text = "";
  for (let from = 0; from < bytes.length; from += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(from, from + 0x8000));
  }
  return btoa(text);
}

/** Bytes among values that the server reads as JSON, as the Base64 texts that they are there. */
export function withoutBytes(value: unknown, depth = 0): unknown {
  if (value instanceof ArrayBuffer) return base64(new Uint8Array(value));
  if (isBytes(value)) return base64(bytesOf(value));
  // Too deep a value is refused, with its place, where it is encoded.
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((it) => withoutBytes(it, depth + 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([name, it]) => [name, withoutBytes(it, depth + 1)]));
}

function sendable(value: unknown, at: string, depth: number): unknown {
  switch (typeof value) {
    case "string":
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
      return value === null ? null : sendableObject(value, at, depth);
    default:
      throw new TypeError(`${place(at)}: a ${typeof value} cannot be sent`);
  }
}

function sendableObject(value: object, at: string, depth: number): unknown {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (isBytes(value)) return bytesOf(value);
  if (depth > MAX_DEPTH) {
    throw new TypeError(`${place(at)}: it is nested more than ${MAX_DEPTH} deep, or in itself`);
  }
  if (Array.isArray(value)) {
    // A hole or `undefined` is null, as in JSON: it must not move what comes behind it.
    return Array.from(value, (it, n) => sendable(it ?? null, `${at}/${n}`, depth + 1));
  }
  if ("toJSON" in value && typeof value.toJSON === "function") {
    return sendable(value.toJSON(""), at, depth + 1);
  }
  if (Symbol.iterator in value || ArrayBuffer.isView(value) || isPromise(value) || isBlob(value)) {
    const kind = value.constructor?.name ?? "object";
    throw new TypeError(`${place(at)}: a ${kind} cannot be sent: ${advice(value)}`);
  }
  const entries = Object.entries(value).filter(([, it]) => it !== undefined);
  const plain: [string, unknown][] = entries.map(([name, it]) => {
    return [name, sendable(it, `${at}/${escaped(name)}`, depth + 1)];
  });
  return Object.fromEntries(plain);
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
  const map = value as Record<string, unknown>;
  for (const name of Object.keys(map)) map[name] = received(map[name]);
  return map;
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

function advice(value: object): string {
  if (isPromise(value)) return "await it first";
  if (isBlob(value)) return "send its bytes, `new Uint8Array(await it.arrayBuffer())`";
  if (value instanceof Map) return "make it an object, with `Object.fromEntries`";
  return "make it a list, with `Array.from`, or a Uint8Array";
}

function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function place(at: string): string {
  return at || "the value";
}
