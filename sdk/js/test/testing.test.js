import assert from "node:assert/strict";
import { test } from "node:test";
import { Bucket, config, context, enqueue, enqueueAll, enqueueFlow, Failure, source, sql, SqlError, task } from "@lovage/sdk";
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
    assert.deepEqual([config.get("key"), config.get("other"), config.get("toString")], ["value", undefined, undefined]);
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

test("what the border would cut to its size is refused", () => {
  const wrong = [{ priority: 256 }, { priority: 1.5 }, { maxAttempts: 0 }, { maxAttempts: 2 ** 32 + 1 }, { delay: 1e20 }, { delay: -1 }, { delay: "30" }];
  new TestJob().run(() => {
    for (const options of wrong) {
      const [option] = Object.keys(options);
      assert.throws(() => enqueue("a.b", {}, options), (error) => error.code === "invalid" && error.message.startsWith(`option \`${option}\` of a job: `));
    }
  });
  assert.throws(() => new Failure("busy").retryAfter(Infinity), /`Infinity` is no number of milliseconds/);
});

test("bytes in a flow are Base64, and what JSON has not is refused", () => {
  const job = new TestJob();
  job.run(() => {
    enqueueFlow({ task: "a.b", args: { image: new Uint8Array(70_000).fill(1) } });
    assert.throws(() => enqueueFlow({ task: "a.b", args: { n: 1n } }), /^CallError: the flow cannot be encoded: .*BigInt/);
  });
  assert.deepEqual(Buffer.from(job.flows[0].flow.args.image, "base64"), Buffer.alloc(70_000, 1));
});

test("a bucket in memory is as one on a broker", () => {
  const job = new TestJob({ buckets: { visits: { ann: "41", bytes: new Uint8Array([255]) } } });
  const refused = (code, body) => assert.throws(body, { name: "CallError", code });
  job.run(() => {
    const visits = Bucket.open("visits");
    assert.deepEqual([visits.increment("ann"), visits.increment("new", -3), visits.increment("ann", 1n)], [42, -3, 43n]);
    visits.setMany(Object.fromEntries(Array.from({ length: 25 }, (_, n) => [`k${n}`, ""])));
    visits.set("__proto__", "kept");
    assert.deepEqual(visits.getMany(["bytes", "none"]), [new Uint8Array([255]), undefined]);
    visits.getMany(["bytes"])[0].fill(0);
    assert.deepEqual([visits.get("bytes"), visits.exists("__proto__"), visits.exists("none")], [new Uint8Array([255]), true, false]);
    assert.deepEqual([...visits.keys()].length, 29);
    visits.deleteMany(Array.from({ length: 25 }, (_, n) => `k${n}`));
    visits.delete("__proto__");
    visits.setMany({ "\u{10000}": "", "\uffff": "" });
    assert.deepEqual([...visits.keys()], ["ann", "bytes", "new", "\uffff", "\u{10000}"], "in the order of their bytes");
    assert.deepEqual([visits.swap("ann", "43", "x"), visits.swap("ann", null, "y"), visits.swap("first", undefined, "z")], [true, false, true]);
    for (const wrong of ["x", "007", "-0"]) {
      visits.set("wrong", wrong);
      refused("invalid", () => visits.increment("wrong"));
    }
    visits.set("big", String(2n ** 63n - 1n));
    refused("invalid", () => visits.increment("big", 1n));
    refused("limit", () => visits.increment("big", -1));
    refused("limit", () => visits.set("k".repeat(1025), ""));
    refused("limit", () => visits.set("", ""));
    refused("limit", () => visits.set("k", new Uint8Array(2 ** 20 + 1)));
    refused("limit", () => visits.getMany(Array(1001).fill("k")));
    assert.throws(() => visits.set("k", 1), /`1` is neither a text nor a Uint8Array/);
    assert.throws(() => visits.increment("k", 0.5), /`0.5` is not a whole number/);
  });
  assert.deepEqual(job.bucket("visits").get("ann"), new TextEncoder().encode("x"));
  assert.equal(job.next().bucket("visits"), job.bucket("visits"));
  const shared = Bucket.open("visits");
  assert.deepEqual([job.run(() => shared.exists("ann")), new TestJob().run(() => shared.exists("ann"))], [true, false]);
});

test("a database is what the test says", async () => {
  const asked = [];
  const shop = (connection, statement, parameters) => {
    asked.push(parameters);
    if (statement.startsWith("update")) return 2;
    if (statement === "fail") throw new SqlError("database", "a deadlock", { state: "40P01", mayRetry: true });
    return statement === "none" ? [] : [{ n: 2n ** 63n - 1n, m: 3n, at: new Date(0), data: new Uint8Array([1]), ["__proto__"]: null }];
  };
  const job = new TestJob({ sql: shop });
  await job.run(async () => {
    const found = sql.query("shop", "select", [null, undefined, true, 1, 0.5, 2n ** 60n, "x", new Date(0), new Uint8Array([1])]);
    const row = found.one();
    assert.deepEqual(found.columns, ["n", "m", "at", "data", "__proto__"]);
    assert.deepEqual([row.n, row.m, row.at, row.data], [2n ** 63n - 1n, 3, "1970-01-01T00:00:00.000Z", new Uint8Array([1])]);
    assert.ok(Object.hasOwn(row, "__proto__"));
    assert.equal(sql.query("shop", "update").affected, 2);
    assert.throws(() => sql.query("shop", "none").one(), { code: "rows", message: "one row was asked for, and there is none" });
    assert.throws(() => sql.query("shop", "select", [1, {}]), { code: "invalid", message: /parameter 2 is a Object, which no database knows/ });
    assert.throws(() => sql.query("shop", "select", [2n ** 63n]), { message: /parameter 1 has more than 64 bits/ });
    assert.throws(() => sql.query("shop", "fail"), { code: "database", state: "40P01", mayRetry: true });
  });
  assert.deepEqual(asked[0], [null, null, true, 1, 0.5, 2n ** 60n, "x", "1970-01-01T00:00:00.000Z", new Uint8Array([1])]);
  assert.throws(() => sql.query("shop", "select"), { name: "SqlError", code: "unknown" });
});

test("a transaction ends with its body: what throws, or rejects, does not count", async () => {
  const job = new TestJob({ sql: () => 1 });
  const statements = async (body) => {
    const from = job.statements.length;
    await job.run(async () => sql.transaction("bank", body)).catch((error) => assert.equal(error.message, "no"));
    return job.statements.slice(from).map((it) => it.replace("bank: ", ""));
  };
  let left;
  assert.deepEqual(await statements((it) => (left = it).query("update").affected), ["begin", "update", "commit"]);
  assert.throws(() => left.query("late"), { code: "invalid", message: "invalid: the transaction is over" });
  assert.deepEqual(await statements(() => { throw new Error("no"); }), ["begin", "rollback"]);
  assert.deepEqual(await statements(async (it) => { await null; it.query("a"); }), ["begin", "a", "commit"]);
  assert.deepEqual(await statements(async () => { await null; throw new Error("no"); }), ["begin", "rollback"]);
  assert.equal(job.run(() => sql.transaction("bank", () => 7)), 7);
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
