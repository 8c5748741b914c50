import assert from "node:assert/strict";
import { test } from "node:test";
import { config, context, enqueue, enqueueAll, enqueueFlow, source, task } from "@lovage/sdk";
import { DIGEST, TestJob } from "@lovage/sdk/testing";

const count = task(async ({ to }) => {
  const from = context.restore()?.state ?? 0;
  context.progress(0.5, "counting");
  await Promise.resolve();
  context.checkpoint(to);
  return to - from;
});

test("a checkpoint is kept between attempts", async () => {
  const job = new TestJob();
  assert.equal(await job.run(() => count({ to: 3 })), 3);
  assert.deepEqual(job.progress, [{ share: 0.5, message: "counting" }]);
  const next = job.next();
  assert.equal(next.run(() => context.attempt), 2);
  assert.equal(await next.run(() => count({ to: 10 })), 7);
  assert.equal(next.checkpoint, 10);
  assert.deepEqual(next.run(() => context.restore()), { digest: DIGEST, state: 10 });
});

test("what a job is, and may ask", () => {
  const job = new TestJob({ id: "a", headers: { trace: "1" }, config: { key: "value" }, cancelled: true, remaining: "2s", batch: 2 });
  job.run(() => {
    assert.deepEqual([context.id, context.headers.trace, context.maxAttempts, context.queue], ["a", "1", 5, "default"]);
    assert.deepEqual([config.get("key"), config.get("other")], ["value", undefined]);
    assert.deepEqual([context.cancelled(), context.remaining(), context.batch().length], [true, 2000, 2]);
    assert.throws(() => context.progress(2), { code: "invalid" });
    assert.throws(() => context.checkpoint(() => 1), /the checkpoint cannot be encoded/);
  });
  assert.throws(() => new TestJob({ atempt: 2 }), /no option `atempt` of a test job/);
});

test("what is enqueued is kept in order", () => {
  const job = new TestJob();
  job.run(() => {
    assert.equal(enqueue("mail.send", { to: "ann" }, { key: "k", delay: "1m", headers: { a: "b" } }), "child-1");
    assert.deepEqual(enqueueAll([{ task: "a.b" }, { task: "a.c", atOnce: true }]), ["child-2", "child-3"]);
    enqueueFlow({ chain: [] }, { key: "f" });
    assert.throws(() => enqueue("a.b", {}, { dely: 1 }), /no option `dely` of a job/);
  });
  assert.deepEqual(job.jobs[0].args, { to: "ann" });
  assert.deepEqual([job.jobs[0].delay, job.jobs[0].headers, job.jobs[0].key], [60_000, { a: "b" }, "k"]);
  assert.deepEqual([job.jobs[1].atOnce, job.jobs[2].atOnce], [false, true]);
  assert.deepEqual(job.flows, [{ flow: { chain: [] }, key: "f", atOnce: false }]);
});

test("a source goes on where its last page ended", async () => {
  const page = (from = 0) => ({ jobs: [{ task: "a.b", args: { from } }], next: from < 2 ? from + 1 : undefined });
  const job = new TestJob({ checkpoint: 1 });
  await job.run(() => source(100, page));
  assert.deepEqual([job.jobs[0].args, job.checkpoint, job.open], [{ from: 1 }, 2, 100]);
  const last = job.next();
  await last.run(() => source(100, page));
  assert.deepEqual([last.jobs.length, last.open], [1, undefined]);
});

test("jobs beside each other do not mix", async () => {
  const body = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return context.id;
  };
  const ids = ["a", "b"].map((id) => new TestJob({ id }).run(body));
  assert.deepEqual(await Promise.all(ids), ["a", "b"]);
});
