// MessagePack, as much of it as the contract knows: nil, booleans, integers of 64 bits, floats, text, binary, arrays, and
// maps with text for keys.
//
// Integers that a number holds exactly are numbers, all others bigints. A number without a fraction is written as an
// integer.

/** How deep values may lie in each other. */
const DEPTH = 128;

// Made with the module, once for all its attempts.
const ENCODER = new TextEncoder();
// A text's own byte order mark is a character of it.
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Of a text that was cut within a character: UTF-8 cannot have it. */
const HALF = "has half of a surrogate pair, which cannot be sent: cut it elsewhere, or send its `toWellFormed()`";

/** Text or data that is no MessagePack. */
export class Malformed extends Error {}

/** A value into MessagePack. What cannot be sent is a `TypeError` that names its place. */
export function encode(value) {
  const writer = new Writer();
  writer.value(value, []);
  return writer.bytes();
}

/** MessagePack into a value. */
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (!reader.atEnd()) throw new Malformed("it goes on after its value");
  return value;
}

class Writer {
  #buffer = new Uint8Array(256);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;

  bytes() {
    return this.#buffer.slice(0, this.#length);
  }

  value(value, path) {
    if (path.length > DEPTH) throw new TypeError(`it lies more than ${DEPTH} deep: a value that holds itself cannot be sent`);
    if (value === null || value === undefined) return this.#byte(0xc0);
    switch (typeof value) {
      case "boolean":
        return this.#byte(value ? 0xc3 : 0xc2);
      case "number":
        return Number.isSafeInteger(value) && !Object.is(value, -0) ? this.#integer(BigInt(value), path) : this.#float(value);
      case "bigint":
        return this.#integer(value, path);
      case "string":
        if (!value.isWellFormed()) throw new TypeError(`${place(path)} ${HALF}`);
        return this.#string(value);
      case "object":
        return this.#object(value, path);
      default:
        throw new TypeError(`${place(path)} is a ${typeof value}, which cannot be sent`);
    }
  }

  #object(value, path) {
    if (value instanceof Uint8Array) return this.#binary(value);
    if (value instanceof ArrayBuffer) return this.#binary(new Uint8Array(value));
    if (Array.isArray(value)) {
      this.#head(value.length, [0x90, 16], null, 0xdc, 0xdd);
      // Holes, too: each item that is announced has to come.
      for (const [index, item] of value.entries()) this.value(item, [...path, index]);
      return;
    }
    if (value instanceof Date && Number.isNaN(value.getTime())) throw new TypeError(`${place(path)} is no valid date`);
    if (typeof value.toJSON === "function") return this.value(value.toJSON(), path);
    const instead = value instanceof Map ? undefined : insteadOf(value);
    if (instead) {
      const kind = value.constructor?.name || "object";
      const article = /^[AEIO]/i.test(kind) ? "an" : "a";
      throw new TypeError(`${place(path)} is ${article} ${kind}, which cannot be sent: ${instead}`);
    }
    const pairs = value instanceof Map ? [...value] : Object.entries(value);
    const said = pairs.filter(([, item]) => item !== undefined);
    this.#head(said.length, [0x80, 16], null, 0xde, 0xdf);
    for (const [key, item] of said) {
      if (typeof key !== "string") throw new TypeError(`${place(path)} has a key that is no text`);
      if (!key.isWellFormed()) throw new TypeError(`${place([...path, key])} is a key that ${HALF}`);
      this.#string(key);
      this.value(item, [...path, key]);
    }
  }

  #integer(value, path) {
    if (value >= -32n && value < 128n) return this.#byte(Number(value) & 0xff);
    const at = (marker, bytes) => {
      this.#room(1 + bytes);
      this.#buffer[this.#length] = marker;
      this.#length += 1 + bytes;
      return this.#length - bytes;
    };
    if (value >= 0n) {
      if (value < 1n << 8n) return this.#view.setUint8(at(0xcc, 1), Number(value));
      if (value < 1n << 16n) return this.#view.setUint16(at(0xcd, 2), Number(value));
      if (value < 1n << 32n) return this.#view.setUint32(at(0xce, 4), Number(value));
      if (value < 1n << 64n) return this.#view.setBigUint64(at(0xcf, 8), value);
    } else {
      if (value >= -(1n << 7n)) return this.#view.setInt8(at(0xd0, 1), Number(value));
      if (value >= -(1n << 15n)) return this.#view.setInt16(at(0xd1, 2), Number(value));
      if (value >= -(1n << 31n)) return this.#view.setInt32(at(0xd2, 4), Number(value));
      if (value >= -(1n << 63n)) return this.#view.setBigInt64(at(0xd3, 8), value);
    }
    throw new TypeError(`${place(path)} is an integer that 64 bits do not hold`);
  }

  #float(value) {
    this.#room(9);
    this.#buffer[this.#length] = 0xcb;
    this.#view.setFloat64(this.#length + 1, value);
    this.#length += 9;
  }

  #string(value) {
    const bytes = ENCODER.encode(value);
    this.#head(bytes.length, [0xa0, 32], 0xd9, 0xda, 0xdb);
    this.#append(bytes);
  }

  #binary(bytes) {
    this.#head(bytes.length, [0, 0], 0xc4, 0xc5, 0xc6);
    this.#append(bytes);
  }

  /** A length, in the shortest form that the type has for it. */
  #head(length, [fixed, below], one, two, four) {
    if (length < below) return this.#byte(fixed | length);
    this.#room(5);
    const write = (marker, method, bytes) => {
      this.#buffer[this.#length] = marker;
      this.#view[method](this.#length + 1, length);
      this.#length += 1 + bytes;
    };
    if (one !== null && length < 1 << 8) return write(one, "setUint8", 1);
    if (length < 1 << 16) return write(two, "setUint16", 2);
    write(four, "setUint32", 4);
  }

  #byte(byte) {
    this.#room(1);
    this.#buffer[this.#length++] = byte;
  }

  #append(bytes) {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #room(bytes) {
    if (this.#length + bytes <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + bytes));
    grown.set(this.#buffer);
    this.#buffer = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Reads one value after the other. No length is trusted before that much is there. */
export class Reader {
  #bytes;
  #view;
  #at = 0;

  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  atEnd() {
    return this.#at === this.#bytes.length;
  }

  value(depth) {
    if (depth > DEPTH) throw new Malformed(`it lies more than ${DEPTH} deep`);
    const marker = this.#number("getUint8", 1);
    if (marker < 0x80) return marker;
    if (marker < 0x90) return this.#map(marker & 15, depth);
    if (marker < 0xa0) return this.#array(marker & 15, depth);
    if (marker < 0xc0) return this.#string(marker & 31);
    if (marker >= 0xe0) return marker - 256;
    switch (marker) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      // The engine's border hands out arrays of a realm of its own, which are no `Uint8Array` to a task.
      case 0xc4: return new Uint8Array(this.#take(this.#number("getUint8", 1)));
      case 0xc5: return new Uint8Array(this.#take(this.#number("getUint16", 2)));
      case 0xc6: return new Uint8Array(this.#take(this.#number("getUint32", 4)));
      case 0xca: return this.#number("getFloat32", 4);
      case 0xcb: return this.#number("getFloat64", 8);
      case 0xcc: return this.#number("getUint8", 1);
      case 0xcd: return this.#number("getUint16", 2);
      case 0xce: return this.#number("getUint32", 4);
      case 0xcf: return exact(this.#number("getBigUint64", 8));
      case 0xd0: return this.#number("getInt8", 1);
      case 0xd1: return this.#number("getInt16", 2);
      case 0xd2: return this.#number("getInt32", 4);
      case 0xd3: return exact(this.#number("getBigInt64", 8));
      case 0xd9: return this.#string(this.#number("getUint8", 1));
      case 0xda: return this.#string(this.#number("getUint16", 2));
      case 0xdb: return this.#string(this.#number("getUint32", 4));
      case 0xdc: return this.#array(this.#number("getUint16", 2), depth);
      case 0xdd: return this.#array(this.#number("getUint32", 4), depth);
      case 0xde: return this.#map(this.#number("getUint16", 2), depth);
      case 0xdf: return this.#map(this.#number("getUint32", 4), depth);
      default: throw new Malformed(`it has the marker 0x${marker.toString(16)}`);
    }
  }

  #array(length, depth) {
    const items = [];
    for (let index = 0; index < length; index++) items.push(this.value(depth + 1));
    return items;
  }

  #map(length, depth) {
    const map = {};
    for (let index = 0; index < length; index++) {
      const key = this.value(depth + 1);
      if (typeof key !== "string") throw new Malformed("it has a key that is no string");
      if (Object.hasOwn(map, key)) throw new Malformed(`it has the key \`${key}\` twice`);
      // Plain assignment of `__proto__` would set another object's.
      Object.defineProperty(map, key, { value: this.value(depth + 1), enumerable: true, writable: true, configurable: true });
    }
    return map;
  }

  #string(length) {
    const bytes = this.#take(length);
    try {
      return DECODER.decode(bytes);
    } catch {
      throw new Malformed("it has text that is no UTF-8");
    }
  }

  #number(method, bytes) {
    const at = this.#at;
    this.#take(bytes);
    return this.#view[method](at);
  }

  #take(length) {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Malformed("it ends too early");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

/** What to send instead of an object that keeps what it is where no property shows it. Instances of classes do not, with a
 * tag of their author's neither. */
function insteadOf(value) {
  if (typeof value.then === "function") return "await it first";
  const tag = Object.prototype.toString.call(value);
  if (INSTEAD[tag]) return INSTEAD[tag];
  if (Symbol.iterator in value || ArrayBuffer.isView(value)) return "send an array, or a Uint8Array";
  const shows = tag === "[object Object]" || (Symbol.toStringTag in value && Object.keys(value).length > 0);
  return shows ? undefined : "send an object of what it holds";
}

const VALUE = "send its `valueOf()`";
const INSTEAD = {
  "[object Error]": "send its `message`, or throw it",
  "[object RegExp]": "send its `source`",
  "[object Number]": VALUE,
  "[object String]": VALUE,
  "[object Boolean]": VALUE,
  "[object BigInt]": VALUE,
};

/** A whole number as a `number` where that holds it exactly. */
export function exact(value) {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** A place in a value, as one would write it in a program. */
export function place(path) {
  if (path.length === 0) return "the value";
  const steps = path.map((step, index) => (typeof step === "number" ? `[${step}]` : index ? `.${step}` : step));
  return `\`${steps.join("")}\``;
}
