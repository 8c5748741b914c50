import assert from "node:assert/strict";
import { test } from "node:test";
import { running } from "../src/batch.js";
import { failureRecord } from "../src/failure.js";
import { Failure, task } from "../src/index.js";
import { decode, encode } from "../src/msgpack.js";
import { serve } from "../src/serve.js";
import { trace } from "../src/trace.js";

const types = { doc: "Does.", input: "{}", output: "{}", plan: { type: "object", properties: { n: { type: "number" } }, required: [], additionalProperties: false } };
class Odd extends Error {}

const module = {
  half: task(async ({ n }) => {
    if (n % 2) throw new Odd(`${n} is odd`, { cause: new Error("parity") });
    return n / 2;
  }),
  halves: task({ batch: { max: 10, wait: "1s" } }, (calls) => {
    assert.deepEqual(running().map((it) => it.id), calls.map(({ n }) => `job-${n}`));
    return calls.map(({ n }) => (n % 2 ? new Failure("odd", { kind: "odd" }) : n / 2));
  }),
  short: task({ batch: { max: 10, wait: "1s" } }, () => []),
  wrong: task({ name: "strange" }, () => () => 1),
  cut: task(() => ({ text: "\u{1f600}".slice(0, 1) })),
  busy: task(() => { throw new Failure("busy", { detail: "more" }).retryAfter("1m"); }),
  helper: () => 1,
};
const served = serve(module, Object.fromEntries(Object.keys(module).map((name) => [name, types])));
const run = async (name, args = {}) => decode(await served.handler.run(name, encode(args)));

test("tasks are described by name", () => {
  assert.deepEqual(served.handler.describe().map((it) => it.name), ["busy", "cut", "half", "halves", "short", "strange"]);
  assert.deepEqual(served.batches.describe()[0], { task: "halves", max: 10, waitMs: 1000n });
});

test("a result, and what was thrown in its place", async () => {
  assert.equal(await run("half", { n: 4 }), 2);
  await assert.rejects(run("half", { n: 3 }), ({ kind, message, detail, retry }) => {
    assert.deepEqual([kind, message, retry], ["Odd", "3 is odd", { tag: "policy" }]);
    assert.match(detail, /^Odd: 3 is odd\n    at .*serve\.test\.js/);
    assert.match(detail, /\ncaused by: Error: parity\n/);
    return true;
  });
  await assert.rejects(run("busy"), { kind: "error", message: "busy", detail: "more", retry: { tag: "after", val: 60_000n } });
});

test("whatever stands in the place of an error's texts, its record has texts", () => {
  const bare = Object.create(null);
  const odd = Object.assign(new Odd(), { message: { a: 1 }, name: 7, stack: 1, cause: Object.assign(new Error(), { message: Symbol("why") }) });
  assert.deepEqual(failureRecord(odd), { kind: "7", message: "[object Object]", detail: "7: [object Object]\ncaused by: Error: Symbol(why)" + trace(odd.cause).map((it) => `\n${it}`).join(""), retry: { tag: "policy" } });
  assert.equal(failureRecord(Object.assign(new Error(), { message: bare })).message, "a value without a text (object)");
  assert.equal(failureRecord(bare).message, "a value without a text (object)");
  const failure = Object.assign(new Failure("x", { kind: bare, detail: 0 }), { message: undefined });
  assert.deepEqual(failureRecord(failure), { kind: "a value without a text (object)", message: "undefined", detail: "0", retry: { tag: "policy" } });
});

test("what was thrown and is no error, and what an error is made of, is told", () => {
  const message = (thrown) => failureRecord(thrown).message;
  assert.equal(message({ code: 3, message: "hm" }), "hm");
  assert.equal(message({ code: 3 }), '{"code":3}');
  assert.equal(message({ text: "a".repeat(9_000) }).length, 1_000);
  assert.equal(message({ big: 1n }), "[object Object]");
  assert.deepEqual([message("text"), message(undefined), message(["a", 1])], ["text", "undefined", "a,1"]);
  const errors = Array.from({ length: 20 }, (_, n) => new Odd(`part ${n}`));
  errors[0] = new AggregateError([{ message: "inner" }]);
  const { detail } = failureRecord(new AggregateError(errors, "all of them"));
  assert.match(detail, /^AggregateError: all of them\n(    at .*\n)+one of 20: AggregateError: \n(    at .*\n)+one of 1: inner\none of 20: Odd: part 1\n    at /);
  assert.match(detail, /part 7/);
  assert.doesNotMatch(detail, /part 8/);
});

test("of the table of places a failure reads what its stack names", (t) => {
  const name = Symbol.for("lovage.places");
  globalThis[name] = { sources: [null, "src/a.ts"], lines: { 3: "[[1,1,7,2],[9,1,8,5]]", 4: "never read" } };
  t.after(() => delete globalThis[name]);
  for (const _ of [1, 2]) assert.deepEqual(trace({ stack: "f@module.js:3:10\ng@module.js:5:1\n@module.js:3:2" }), ["    at f (src/a.ts:8:5)", "    at src/a.ts:7:2"]);
});

test("what cannot be sent, or found, is a failure that is not tried again", async () => {
  await assert.rejects(run("strange"), { kind: "result", retry: { tag: "never" } });
  await assert.rejects(run("none"), { kind: "unknown-task", message: /its tasks are `busy`, `cut`, `half`/ });
  await assert.rejects(run("cut"), { kind: "result", message: /^the result cannot be encoded: `text` has half of a surrogate pair/, retry: { tag: "never" } });
});

test("no memory left is no failure of the task's", async () => {
  const exhausted = { a: task(() => { throw "out of memory"; }), b: task({ batch: { max: 2, wait: "1s" } }, () => { throw "out of memory"; }) };
  const { handler } = serve(exhausted, { a: types, b: types });
  for (const name of ["a", "b"]) await assert.rejects(async () => handler.run(name, encode({})), RangeError);
});

test("each call of a batch has an answer of its own", async () => {
  const call = (n) => ({ id: `job-${n}`, attempt: 1, maxAttempts: 1, enqueuedAtMs: 0n, headers: [], input: encode({ n }) });
  const answers = await served.batches.run("halves", [call(4), call("x"), call(3), call(8)]);
  assert.deepEqual(answers.map((it) => (it.tag === "ok" ? decode(it.val) : it.val.kind)), [2, "argument", "odd", 4]);
  const [short] = await served.batches.run("short", [call(1)]);
  assert.equal(short.val.message, "`short` returned 0 results for 1 calls");
  assert.equal(decode((await served.batches.run("half", [call(6)]))[0].val), 3);
});

test("names that clash, or are none, are refused", () => {
  assert.throws(() => serve({ a: task({ name: "b" }, () => 1), b: task(() => 1) }, {}), /two tasks are named `b`/);
  assert.throws(() => serve({ makeIt: task(() => 1) }, {}), /`makeIt` is no task name: .* say another by an option, name: "make_it"/);
});
