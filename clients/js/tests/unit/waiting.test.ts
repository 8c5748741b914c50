import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { FlowFailed, JobCancelled, JobFailed, WaitTimeout, connect } from "@lovage/client";
import { Fake, type Handler, answer, lost, record, refusal, silent } from "../fake.js";

const unfinished = refusal("not-finished", 409);

/** Answers after so long as it was asked to wait. */
const patient: Handler = async (heard, response) => {
  const wait = Number(heard.query.get("wait")?.replace("ms", ""));
  await new Promise((done) => setTimeout(done, wait));
  return unfinished(heard, response);
};

test("a result is asked for again and again, over breaks", async () => {
  const fake = await Fake.start(unfinished, lost, refusal("unavailable", 503), answer("done"));
  assert.equal(await connect({ url: fake.url }).job("j1").result(), "done");
  assert.equal(fake.heard.length, 4);
  assert.equal(fake.heard[0]?.path, "/v1/jobs/j1/result");
  assert.equal(fake.heard[0]?.query.get("wait"), "30000ms");
});

test("waiting too long says which job goes on", async () => {
  const fake = await Fake.start(patient);
  const job = connect({ url: fake.url, poll: 200 }).job("j1");
  const began = performance.now();
  await assert.rejects(job.result({ within: 700 }), (e) => {
    assert.ok(e instanceof WaitTimeout);
    assert.equal(e.id, "j1");
    assert.equal(e.message, "job j1 has not ended within 0.7 s; it goes on");
    return true;
  });
  const took = performance.now() - began;
  assert.ok(took >= 690 && took < 20_000, `${took} ms`);
});

test("a server that is away until the end, or says nothing, is a wait that was too long", async () => {
  for (const handler of [lost, silent]) {
    const fake = await Fake.start(handler);
    const job = connect({ url: fake.url }).job("j1");
    await assert.rejects(job.wait({ within: 500 }), (e) => {
      assert.ok(e instanceof WaitTimeout);
      assert.match(String((e.cause as Error).message), /^no answer from/);
      return true;
    });
  }
});

test("a server that answers before its time is not asked without a pause", async () => {
  const fake = await Fake.start(unfinished);
  await assert.rejects(
    connect({ url: fake.url }).job("j1").result({ within: "1500ms" }),
    WaitTimeout,
  );
  assert.ok(fake.heard.length < 30, `${fake.heard.length} requests`);
});

test("a failed job's result says why, and prints no arguments", async () => {
  const failure = { kind: "image", message: "no such format", detail: "at line 3" };
  const failed = record("discarded", { attempts: [{ failure }], input: { secret: "s3cret" } });
  const fake = await Fake.start(refusal("job-failed", 422), answer(failed));
  await assert.rejects(connect({ url: fake.url }).job("j1").result(), (e) => {
    assert.ok(e instanceof JobFailed);
    assert.equal(e.message, "job j1 of `m.t` failed: image: no such format");
    assert.deepEqual([e.kind, e.detail, e.failure], ["image", "at line 3", failure]);
    assert.equal(e.job.state, "discarded");
    assert.doesNotMatch(inspect(e), /s3cret/);
    return true;
  });
});

test("a cancelled job's result says that", async () => {
  const fake = await Fake.start(refusal("job-failed", 422), answer(record("cancelled")));
  await assert.rejects(connect({ url: fake.url }).job("j1").result(), JobCancelled);
});

test("a wait ends with the record, however the job ended", async () => {
  const fake = await Fake.start(answer(record("running")), answer(record("discarded")));
  const ended = await connect({ url: fake.url }).job("j1").wait();
  assert.equal(ended.state, "discarded");
  assert.equal(fake.heard.length, 2);
});

test("a call and its wait have one time together", async () => {
  const slow: Handler = async (heard, response) => {
    await new Promise((done) => setTimeout(done, 500));
    return answer({ id: "j1" }, 201)(heard, response);
  };
  const fake = await Fake.start(slow, answer("done"));
  const within = 10_000;
  assert.equal(await connect({ url: fake.url }).m.t.result({}, { within }), "done");
  const wait = Number(fake.heard[1]?.query.get("wait")?.replace("ms", ""));
  assert.ok(wait > 0 && wait <= within - 500, `${wait} ms`);
});

test("a flow's result is that of all of it, or of a step", async () => {
  const flow = (state: string) => ({ id: "f1", name: "nightly", state, nodes: 3, failed: 1 });
  const fake = await Fake.start(answer(flow("running")), answer(flow("completed")), answer([1, 2]));
  const found = await connect({ url: fake.url }).flow("f1").result({ step: "chain[0]" });
  assert.deepEqual(found, [1, 2]);
  assert.equal(fake.heard[2]?.query.get("node"), "chain[0]");
  const failed = await Fake.start(answer(flow("failed")));
  await assert.rejects(connect({ url: failed.url }).flow("f1").result(), (e) => {
    assert.ok(e instanceof FlowFailed);
    assert.equal(e.message, "flow f1 (nightly) failed: 1 of 3 calls failed");
    assert.equal(e.flow.state, "failed");
    assert.doesNotMatch(inspect(e), /nodes/);
    return true;
  });
});
