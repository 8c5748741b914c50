import assert from "node:assert/strict";
import { test } from "node:test";
import { decode as unpack } from "@msgpack/msgpack";
import { connect } from "@lovage/client";
import { Fake, answer, made } from "../fake.js";

/** What the server reads of a value that is sent. */
async function sent(value: unknown): Promise<unknown> {
  const fake = await Fake.start(made("j1"));
  await connect({ url: fake.url }).m.t({ value });
  const body = unpack(fake.heard[0]!.bytes, { useBigInt64: true });
  return (body as { args: { value: unknown } }).args.value;
}

/** What a caller gets of a value that the server sends. */
async function got(value: unknown): Promise<unknown> {
  const fake = await Fake.start(answer(value));
  return connect({ url: fake.url }).job("j1").result();
}

test("bytes go and come as bytes", async () => {
  const bytes = new Uint8Array([0, 1, 254, 255]);
  assert.deepEqual(await sent(bytes), bytes);
  assert.deepEqual(await sent(Buffer.from(bytes)), bytes);
  assert.deepEqual(await sent(bytes.buffer), bytes);
  assert.deepEqual(await sent(bytes.subarray(1, 3)), new Uint8Array([1, 254]));
  assert.deepEqual(await got(bytes), bytes);
  assert.deepEqual(await got({ deep: [bytes] }), { deep: [bytes] });
});

test("whole numbers keep 64 bits both ways", async () => {
  for (const whole of [2 ** 31, 2 ** 32, -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER]) {
    // The decoder makes a bigint of 64 bits and of nothing else: so it was no float.
    assert.equal(await sent(whole), BigInt(whole));
    assert.equal(await got(BigInt(whole)), whole);
  }
  for (const large of [2n ** 63n - 1n, 2n ** 64n - 1n, -(2n ** 63n), 9007199254740993n]) {
    assert.equal(await sent(large), large);
    assert.equal(await got(large), large);
  }
  assert.equal(await sent(1.5), 1.5);
  assert.equal(await got(7), 7);
});

test("a key of an object's own prototype is a key like any other", async () => {
  const names = ["__proto__", ".__proto__", "..__proto__", "constructor", "a.__proto__"];
  const value = JSON.parse(`{${names.map((it) => `"${it}": {"it": "${it}"}`).join()}}`) as object;
  const found = (await got([value])) as object[];
  assert.deepEqual(Object.entries(found[0]!), Object.entries(value));
  assert.equal(Object.getPrototypeOf(found[0]), Object.prototype);
});

test("what has no form is sent as JSON would send it", async () => {
  assert.deepEqual(await sent({ there: 1, not: undefined }), { there: 1 });
  assert.deepEqual(await sent([1, undefined, null]), [1, null, null]);
  assert.equal(await sent(new Date(0)), "1970-01-01T00:00:00.000Z");
  class Point {
    constructor(readonly x: number) {}
  }
  assert.deepEqual(await sent(new Point(3)), { x: 3 });
  const names = { then: 1, toJSON: 2, arrayBuffer: 3 };
  assert.deepEqual(await sent(names), names, "names that mean something elsewhere");
  const tagged = { [Symbol.toStringTag]: "Order", x: 3 };
  assert.deepEqual(await sent([tagged, Object.create(null), {}]), [{ x: 3 }, {}, {}]);
});

test("what cannot be sent as it is meant is refused by its place, before there is a request", async () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const cases: [unknown, RegExp][] = [
    [{ "a/b": [1, 2n ** 64n] }, /^\/args\/value\/a~1b\/1: 18446744073709551616 has more than 64/],
    [() => 1, /^\/args\/value: a function cannot be sent/],
    [new Map(), /a Map cannot be sent: make it an object/],
    [new Float32Array(2), /a Float32Array cannot be sent: make it a list/],
    [Promise.resolve(1), /a Promise cannot be sent: await it first/],
    [new Blob(["x"]), /a Blob cannot be sent: send its bytes/],
    [new Error("x"), /^\/args\/value: an Error cannot be sent: send its `message`$/],
    [Object.assign(new TypeError("x"), { code: 1 }), /a TypeError cannot be sent/],
    [/x/, /a RegExp cannot be sent: send its `source`$/],
    [[new Number(3)], /^\/args\/value\/0: a Number cannot be sent: send its `valueOf\(\)`$/],
    [new String("ab"), /a String cannot be sent: send its `valueOf\(\)`$/],
    [Object(1n), /a BigInt cannot be sent: send its `valueOf\(\)`$/],
    [new WeakMap(), /a WeakMap cannot be sent: send an object of what it holds$/],
    [new AbortController().signal, /an AbortSignal cannot be sent/],
    [{ at: new Date(NaN) }, /^\/args\/value\/at: it is an Invalid Date: send one that has a time/],
    [cycle, /more than 128 levels deep, or lies in itself$/],
  ];
  const fake = await Fake.start(made("j1"));
  const client = connect({ url: fake.url });
  for (const [value, message] of cases) {
    await assert.rejects(client.m.t({ value }), { message });
  }
  assert.equal(fake.heard.length, 0);
});

test("half of a surrogate pair is refused by its place, in texts and in names", async () => {
  const cases: [unknown, RegExp][] = [
    [
      { a: ["\u{1f600}", "x\ud83d"] },
      /^\/args\/value\/a\/1: the text has half of a surrogate pair/,
    ],
    ["\ude00\ud83d", /^\/args\/value: the text has half .*: cut it elsewhere, or send its `toWell/],
    [
      { a: { "k\ud83d": 1 } },
      /^\/args\/value\/a: the name "k\\ud83d" has half of a surrogate pair/,
    ],
  ];
  const fake = await Fake.start(made("j1"));
  const client = connect({ url: fake.url });
  const all = async () => {
    for (const [value, message] of cases) {
      await assert.rejects(client.m.t({ value }), { name: "TypeError", message });
    }
    assert.equal(await sent("\u{1f600}"), "\u{1f600}");
  };
  await all();
  const native = Object.getOwnPropertyDescriptor(String.prototype, "isWellFormed");
  if (native) {
    // As it is in older browsers.
    Reflect.deleteProperty(String.prototype, "isWellFormed");
    await all().finally(() => Object.defineProperty(String.prototype, "isWellFormed", native));
  }
  assert.equal(fake.heard.length, 0);
});

/** Lists in each other, around a Date. */
function nested(levels: number): unknown {
  return levels === 0 ? new Date(0) : [nested(levels - 1)];
}

test("a request is as deep as the server takes it", async () => {
  const fake = await Fake.start(made("j1"));
  const { m } = connect({ url: fake.url });
  // The body and its `args` are two levels; of many calls there are the list and its item, too.
  await m.t({ value: nested(126) });
  const self = { toJSON: () => self };
  await assert.rejects(m.t({ value: self }), /more than 128 levels deep, or lies in itself/);
  await assert.rejects(m.t({ value: nested(127) }), /more than 128 levels deep/);
  const many = await Fake.start(answer({ ids: ["j1"] }, 201));
  const { t } = connect({ url: many.url })["m"]!;
  await t!.many([{ value: nested(124) }]);
  await assert.rejects(t!.many([{ value: nested(125) }]), /more than 128 levels deep/);
  assert.deepEqual([fake.heard.length, many.heard.length], [1, 1]);
});

test("of a long place its beginning is told", async () => {
  const value = { ["x".repeat(90)]: { ["y".repeat(90)]: () => 1 } };
  const { t } = connect({ url: "http://127.0.0.1:1" })["m"]!;
  const message = `/args/value/${"x".repeat(88)}…: a function cannot be sent`;
  await assert.rejects(t!({ value }), { message });
  await assert.rejects(t!({ value: { ["z\ud83d".repeat(90)]: 1 } }), ({ message }: Error) => {
    return message.length < 250;
  });
  await assert.rejects(t!({ value: nested(200) }), ({ message }: Error) => message.length < 200);
});
