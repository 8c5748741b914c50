import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Duplicate,
  FlowFailed,
  InvalidArguments,
  JobCancelled,
  JobFailed,
  NotFound,
  WaitTimeout,
  connect,
} from "@lovage/client";
import type { Basics } from "../generated_example.js";
import { dev } from "./dev.js";

const { url } = await dev();
const client = connect<{ basics: Basics }>({ url });
const any = connect({ url });

test("a call has its result, with 64 bits and bytes exact", async () => {
  assert.equal(await client.basics.add.result({ a: 9007199254740993n, b: 2 }), 9007199254740995n);
  assert.equal(await client.basics.add.result({ a: 5_000_000_000, b: -1 }), 4_999_999_999);
  assert.equal(await client.basics.add.result({ a: -(2n ** 62n), b: -(2n ** 62n) }), -(2n ** 63n));
  const bytes = await client.basics.bytes.result({ length: 3 });
  assert.deepEqual(bytes, new Uint8Array([42, 42, 42]));
  const value = { text: "ü", list: [1, 2.5, null, true], large: 2n ** 64n - 1n };
  assert.deepEqual(await client.basics.echo.result({ value }), value);
});

test("a large result and a large input pass", async () => {
  const bytes = await client.basics.bytes.result({ length: 3_000_000 });
  assert.ok(bytes.length === 3_000_000 && bytes.every((it) => it === 42));
  const value = "x".repeat(1_000_000);
  assert.equal(await client.basics.echo.result({ value }), value);
});

test("values lie as deep in each other as the server takes them", async () => {
  const lists = (levels: number): unknown => (levels === 0 ? 1 : [lists(levels - 1)]);
  // The request and its arguments are two of 128 levels, and a list of calls two further ones.
  const value = lists(126);
  assert.deepEqual(await any.basics.echo.result({ value }), value);
  const [job] = await any.basics.echo.many([{ value: lists(124) }]);
  assert.deepEqual(await job?.result(), lists(124));
  await assert.rejects(any.basics.echo({ value: lists(127) }), TypeError);
});

test("wrong arguments are named by their place", async () => {
  await assert.rejects(any.basics.add({ a: 1, b: "two" }), (e) => {
    assert.ok(e instanceof InvalidArguments);
    assert.equal(e.errors[0]?.pointer, "/args/b");
    return true;
  });
  await assert.rejects(any.basics.nothing(), NotFound);
  await assert.rejects(any.job("01a201af-5916-7000-9beb-067ff351d09c").record(), NotFound);
});

test("a failed job says what its task said", async () => {
  const call = client.basics.fail.result({ message: "boom", next: "never" });
  await assert.rejects(call, (e) => {
    assert.ok(e instanceof JobFailed);
    assert.deepEqual([e.kind, e.failure?.message, e.detail], ["error", "boom", "attempt 1"]);
    assert.equal(e.job.attempts.length, 1);
    return true;
  });
});

test("a job is cancelled, and waited for too short a time", async () => {
  const job = await any.basics.spin({ ms: 60_000 });
  await assert.rejects(job.result({ within: 500 }), WaitTimeout);
  assert.equal((await job.cancel()).became, "asked");
  await assert.rejects(job.result(), JobCancelled);
  assert.equal((await job.cancel()).became, "ended");
  const later = await any.basics.add({ a: 1, b: 2 }, { delay: "1h" });
  const fates = await any.cancel([later.id]);
  assert.deepEqual(fates, [{ id: later.id, became: "cancelled" }]);
  assert.equal((await later.requeue()).became, "requeued");
});

test("the options arrive", async () => {
  const options = {
    queue: "other",
    lane: "ann",
    priority: 9,
    retries: 2,
    timeout: 100_500,
    resultTtl: "1h",
    expires: new Date("2030-01-01T00:00:00Z"),
    fuel: 10n ** 15n,
    release: 1,
    tags: ["red", "blue"],
    headers: { origin: "test" },
  };
  const job = await client.basics.add({ a: 1, b: 2 }, options);
  const record = await job.record();
  assert.deepEqual(
    [record.queue, record.lane, record.priority, record.result_ttl, record.expiry],
    ["other", "ann", 9, "1h", "2030-01-01T00:00:00Z"],
  );
  assert.equal(record.options["max_attempts"], 3);
  assert.equal(record.options["timeout"], "100500ms");
  assert.equal(record.options["fuel"], 10 ** 15);
  assert.deepEqual(record.options.headers, { origin: "test", tags: "red,blue" });
  const found = [];
  for await (const it of client.jobs({ tag: "blue" })) found.push(it.id);
  assert.deepEqual(found, [job.id]);
});

test("a key makes one job, and a unique one is refused beside it", async () => {
  const options = { delay: "1h", unique: { key: "u", conflict: "reject" as const } };
  const first = await client.basics.add({ a: 1, b: 2 }, { ...options, key: "k" });
  const again = await client.basics.add({ a: 1, b: 2 }, { ...options, key: "k" });
  assert.equal(again.id, first.id);
  await assert.rejects(client.basics.add({ a: 1, b: 2 }, options), (e) => {
    return e instanceof Duplicate && e.job === first.id;
  });
});

test("many calls are all jobs or none, and with their key no second ones", async () => {
  const calls = Array.from({ length: 1_500 }, (_, n) => ({ a: n, b: n }));
  const jobs = await client.basics.add.many(calls, { key: "run" });
  assert.equal(new Set(jobs.map((it) => it.id)).size, 1_500);
  assert.equal(await jobs[1_499]!.result(), 2_998);
  const again = await client.basics.add.many(calls.slice(0, 10), { key: "run" });
  assert.deepEqual(
    again.map((it) => it.id),
    jobs.slice(0, 10).map((it) => it.id),
  );
  const wrong = any.enqueueMany([
    { task: "basics.add", args: { a: 1, b: 2 }, tags: ["none"] },
    { task: "basics.add", args: { a: 1 } },
  ]);
  await assert.rejects(wrong, (e) => {
    assert.ok(e instanceof InvalidArguments);
    assert.equal(e.errors[0]?.pointer, "/jobs/1/args");
    return true;
  });
  for await (const _ of any.jobs({ tag: "none" })) assert.fail("a job of a batch that was refused");
});

test("a flow has its result, and one that failed says so", async () => {
  const flow = await client.runFlow({
    name: "total",
    chord: {
      group: [
        { task: "basics.add", args: { a: 1, b: 2 } },
        { task: "basics.add", args: { a: 3, b: 4 } },
      ],
      then: { task: "basics.sum", results: { values: "previous" } },
    },
  });
  assert.equal(await flow.result({ within: "30s" }), 10);
  const record = await flow.record();
  assert.deepEqual([record.name, record.state, record.completed], ["total", "completed", 3]);
  assert.equal(await flow.cancel(), false);
  const failing = await client.runFlow({
    task: "basics.fail",
    args: { message: "x", next: "never" },
  });
  await assert.rejects(failing.result(), FlowFailed);
});
