// Buckets: keys with values that stay from one job to the next.

import * as host from "#keyvalue";
import { CallError } from "./failure.js";
import { bytesOf, whole } from "./values.js";

const INT64 = whole(-(2n ** 63n), 2n ** 63n - 1n);

export class Bucket {
  #name;

  constructor(name) {
    this.#name = name;
  }

  /** The bucket of this name. It is there with its first key. */
  static open(name) {
    return new Bucket(name);
  }

  /** Opened where it is used, since at the top of a file there is no job. */
  #store() {
    return host.open(this.#name);
  }

  get(key) {
    return this.getMany([key])[0];
  }

  set(key, value) {
    this.setMany({ [key]: value });
  }

  delete(key) {
    this.deleteMany([key]);
  }

  exists(key) {
    return this.#store().exists(key);
  }

  /** Values as they are at one moment, in the order asked for. */
  getMany(keys) {
    return this.#store().getMany(keys);
  }

  /** All or none. */
  setMany(values) {
    this.#store().setMany(Object.entries(values).map(([key, value]) => [key, bytesOf(value)]));
  }

  deleteMany(keys) {
    this.#store().deleteMany(keys);
  }

  /** All keys in the order of their bytes, page by page as they are asked for. */
  *keys() {
    let cursor;
    do {
      const page = this.#store().page(cursor);
      yield* page.keys;
      ({ cursor } = page);
    } while (cursor !== undefined);
  }

  /** Adds to a number, which is zero where there is none, and answers with the sum. */
  increment(key, by = 1) {
    const sum = this.#store().increment(key, BigInt(INT64(by)));
    if (typeof by === "bigint") return sum;
    if (Number.isSafeInteger(Number(sum))) return Number(sum);
    throw new CallError("limit", `\`${key}\` is now ${sum}, which no \`number\` holds exactly: add a bigint`);
  }

  /** Sets a key if its value is what is expected, or if it is not there and nothing is; whether it did. */
  swap(key, expected, value) {
    return this.#store().swap(key, expected === undefined || expected === null ? undefined : bytesOf(expected), bytesOf(value));
  }
}
