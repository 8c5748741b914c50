import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode, Malformed } from "../src/msgpack.js";

const hex = (bytes) => Buffer.from(bytes).toString("hex");

test("each form is the shortest", () => {
  const forms = [
    [null, "c0"], [undefined, "c0"], [false, "c2"], [true, "c3"],
    [0, "00"], [127, "7f"], [128, "cc80"], [256, "cd0100"], [65536, "ce00010000"], [2 ** 32, "cf0000000100000000"],
    [-1, "ff"], [-32, "e0"], [-33, "d0df"], [-129, "d1ff7f"], [-32769, "d2ffff7fff"], [-(2 ** 31) - 1, "d3ffffffff7fffffff"],
    [1.5, "cb3ff8000000000000"], [-0, "cb8000000000000000"], [2 ** 53, "cb4340000000000000"],
    ["ä", "a2c3a4"], [new Uint8Array([0, 255]), "c40200ff"], [[1, [2]], "92019102"], [[1, , 2], "9301c002"], [{ a: 1, b: undefined }, "81a16101"],
  ];
  for (const [value, expected] of forms) assert.equal(hex(encode(value)), expected);
});

test("integers of 64 bits are exact", () => {
  for (const value of [2n ** 64n - 1n, 2n ** 63n, -(2n ** 63n), 2n ** 53n, -(2n ** 53n)]) {
    assert.equal(decode(encode(value)), value);
  }
  assert.equal(decode(encode(5n)), 5);
  assert.throws(() => encode({ a: [2n ** 64n] }), { message: "`a[0]` is an integer that 64 bits do not hold" });
});

test("values come back", () => {
  const values = [NaN, Infinity, -Infinity, "x".repeat(40), "x".repeat(300), "x".repeat(70_000), "\ufeffmark", Array(20).fill(1), Array(70_000).fill(null)];
  for (const value of values) assert.deepEqual(decode(encode(value)), value);
  const wide = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`k${index}`, index]));
  assert.deepEqual(decode(encode(wide)), wide);
  assert.deepEqual(decode(encode(new Uint8Array(70_000).fill(7))), new Uint8Array(70_000).fill(7));
  assert.deepEqual(decode(Uint8Array.of(0xca, 0x3f, 0xc0, 0, 0)), 1.5);
  assert.equal(decode(encode(new Date(0))), "1970-01-01T00:00:00.000Z");
  assert.deepEqual(decode(encode(new Map([["a", 1]]))), { a: 1 });
});

test("a key of an object's own prototype is a key like any other", () => {
  const found = decode(encode(JSON.parse('{"__proto__": {"admin": true}}')));
  assert.deepEqual(Object.keys(found), ["__proto__"]);
  assert.equal(found.admin, undefined);
});

test("what cannot be sent is named by its place", () => {
  assert.throws(() => encode({ a: { b: () => 1 } }), { message: "`a.b` is a function, which cannot be sent" });
  assert.throws(() => encode([new Set()]), /`\[0\]` is a Set, which cannot be sent: send an array/);
  assert.throws(() => encode(new Date(NaN)), /no valid date/);
  assert.throws(() => encode({ a: Promise.resolve(1) }), /`a` is a Promise, which cannot be sent: await it first/);
  for (const [value, said] of [
    [new RangeError("no"), "a RangeError, which cannot be sent: send its `message`, or throw it"],
    [/x/, "a RegExp, which cannot be sent: send its `source`"],
    [new Number(1), "a Number, which cannot be sent: send its `valueOf()`"],
    [new String("x"), "a String, which cannot be sent: send its `valueOf()`"],
    [Object(1n), "a BigInt, which cannot be sent: send its `valueOf()`"],
    [new WeakMap(), "a WeakMap, which cannot be sent: send an object of what it holds"],
    [new URLSearchParams("a=1"), "a URLSearchParams, which cannot be sent: send an array, or a Uint8Array"],
    [{ then() {} }, "an Object, which cannot be sent: await it first"],
  ]) {
    assert.throws(() => encode({ a: [value] }), { name: "TypeError", message: `\`a[0]\` is ${said}` });
  }
  class Tagged {
    [Symbol.toStringTag] = "of its own";
    side = 3;
  }
  assert.deepEqual(decode(encode(new Tagged())), { side: 3 });
  assert.throws(() => encode({ a: new Float32Array(1) }), /`a` is a Float32Array, which cannot be sent/);
  assert.throws(() => encode({ a: ["\u{1f600}", "x\ud83d"] }), /^TypeError: `a\[1\]` has half of a surrogate pair, .*`toWellFormed\(\)`$/);
  assert.throws(() => encode({ a: new Map([["\ude00", 1]]) }), /^TypeError: `a\..` is a key that has half of a surrogate pair/);
  assert.throws(() => encode("\ud83d"), /^TypeError: the value has half/);
  const self = {};
  self.self = self;
  assert.throws(() => encode(self), /more than 128 deep/);
});

test("what is no MessagePack is refused", () => {
  const broken = ["", "a5", "dfffffffff", "c1", "d40100", "0000", "a1ff", "8101c0", "82a16101a16102", "91".repeat(200)];
  for (const bytes of broken) assert.throws(() => decode(Buffer.from(bytes, "hex")), Malformed, bytes);
});
