import assert from "node:assert/strict";
import { test } from "node:test";
import {
  InvalidArguments,
  NoAnswer,
  PartlyEnqueued,
  Quota,
  RateLimited,
  connect,
} from "@lovage/client";
import { Fake, type Handler, answer, half, lost, made, refusal, silent } from "../fake.js";

/** The idempotency keys of all requests that came. */
function keys(fake: Fake): unknown[] {
  return fake.heard.map((it) => (it.body as { key: string }).key);
}

test("a lost answer makes no second job: the same key is sent again", async () => {
  const jobs = new Map<string, string>();
  // The job is made each time, as the server does it: one for each key.
  const make = (then: Handler | undefined): Handler => {
    return (heard, response) => {
      const { key } = heard.body as { key: string };
      if (!jobs.has(key)) jobs.set(key, `j${jobs.size + 1}`);
      return (then ?? made(jobs.get(key)!))(heard, response);
    };
  };
  const fake = await Fake.start(make(lost), make(half), make(lost), make(undefined));
  const client = connect({ url: fake.url });
  const first = await client.m.t();
  assert.equal(first.id, "j1");
  assert.equal(fake.heard.length, 4);
  assert.equal(jobs.size, 1);
  assert.match(String(keys(fake)[0]), /^[0-9a-f]{32}$/);
  assert.equal((await client.m.t()).id, "j2", "another call is another job");
});

test("429 and 503 are repeated, not before the server wants it", async () => {
  for (const [kind, status] of [
    ["rate-limited", 429],
    ["queue-full", 429],
    ["quota", 429],
    ["unavailable", 503],
  ] as const) {
    const fake = await Fake.start(refusal(kind, status, { retryAfter: "1" }), made("j1"));
    const began = performance.now();
    const job = await connect({ url: fake.url }).m.t({}, { key: "mine" });
    assert.equal(job.id, "j1", kind);
    assert.ok(performance.now() - began >= 1_000, kind);
    assert.deepEqual(keys(fake), ["mine", "mine"]);
  }
});

test("a gateway that is away is waited for as the server is", async () => {
  const gateway: Handler = (_, response) => void response.writeHead(502).end("bad gateway");
  const fake = await Fake.start(gateway, made("j1"));
  assert.equal((await connect({ url: fake.url }).m.t()).id, "j1");
});

test("what cannot be over in time is told at once", async () => {
  const fake = await Fake.start(refusal("rate-limited", 429, { retryAfter: "60" }));
  const began = performance.now();
  await assert.rejects(connect({ url: fake.url }).m.t({}, { within: "30s" }), (e) => {
    assert.ok(e instanceof RateLimited);
    assert.equal(e.retryAfter, 60);
    return true;
  });
  assert.ok(performance.now() - began < 20_000);
});

test("a server that wants more patience than a timer has is not asked without a pause", async () => {
  const fake = await Fake.start(refusal("rate-limited", 429, { retryAfter: "3000000" }));
  const signal = AbortSignal.timeout(300);
  const call = connect({ url: fake.url }).m.t({}, { within: Infinity, signal });
  await assert.rejects(call, { name: "TimeoutError" });
  assert.equal(fake.heard.length, 1);
});

test("a quota that time does not give back is not asked again", async () => {
  const fake = await Fake.start(refusal("quota", 429));
  await assert.rejects(connect({ url: fake.url }).m.t(), Quota);
  assert.equal(fake.heard.length, 1);
});

test("repeats end with the caller's time, and the error says the key", async () => {
  const fake = await Fake.start(lost);
  await assert.rejects(connect({ url: fake.url }).m.t({}, { within: 3_000, key: "k" }), (e) => {
    assert.ok(e instanceof NoAnswer);
    assert.equal(e.key, "k");
    assert.match(e.message, /^no answer from http.* to POST \/v1\/jobs: .*with the key `k` it is/);
    return true;
  });
  assert.ok(fake.heard.length > 1 && fake.heard.length < 50, `${fake.heard.length} requests`);
});

test("a server that says nothing is given up, and asked again", async () => {
  const fake = await Fake.start(silent, made("j1"));
  assert.equal((await connect({ url: fake.url, silence: 200 }).m.t()).id, "j1");
  assert.equal(new Set(keys(fake)).size, 1);
  const mute = await Fake.start(silent);
  const began = performance.now();
  await assert.rejects(connect({ url: mute.url }).m.t({}, { within: 300 }), NoAnswer);
  assert.ok(performance.now() - began < 20_000);
});

test("an answer that comes slowly comes whole", async () => {
  const slow: Handler = async (_, response) => {
    response.writeHead(200, { "content-type": "application/msgpack" });
    for (const byte of [0x93, 1, 2, 3]) {
      response.write(new Uint8Array([byte]));
      await new Promise((done) => setTimeout(done, 1_500));
    }
    response.end();
  };
  const fake = await Fake.start(slow);
  const result = await connect({ url: fake.url, silence: 4_000 }).job("j1").result();
  assert.deepEqual(result, [1, 2, 3]);
  assert.equal(fake.heard.length, 1);
});

test("a caller's signal ends it with the caller's reason", async () => {
  const fake = await Fake.start(silent);
  const reason = new Error("not wanted any more");
  const controller = new AbortController();
  const call = connect({ url: fake.url }).m.t({}, { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 50);
  await assert.rejects(call, reason);
  assert.equal(fake.heard.length, 1);
});

test("a flow is sent again with its key", async () => {
  class Picture {
    constructor(readonly bytes: Uint8Array) {}
  }
  const image = new Uint8Array([0, 1, 2, 3]).subarray(1);
  const flow = { task: "m.t", args: { image, all: [new Picture(image)] } };
  const begun = answer({ id: "f1", name: "f" });
  const fake = await Fake.start(lost, refusal("unavailable", 503), begun);
  const client = connect({ url: fake.url });
  assert.equal((await client.runFlow(flow)).id, "f1");
  const body = fake.heard[2]?.body;
  const args = { image: "AQID", all: [{ bytes: "AQID" }] };
  assert.deepEqual(body, { task: "m.t", args }, "bytes as Base64 texts");
  await client.runFlow(flow, { key: "mine" });
  const sent = fake.heard.map((it) => it.headers["idempotency-key"]);
  assert.match(String(sent[0]), /^[0-9a-f]{32}$/);
  assert.deepEqual(sent, [sent[0], sent[0], sent[0], "mine"]);
  for (const key of ["", " mine", "größe", "n".repeat(256)]) {
    await assert.rejects(client.runFlow(flow, { key }), /^TypeError: the key of a flow/);
  }
  assert.equal(fake.heard.length, 4);
});

test("a call's key may have any characters, and goes with the call alone", async () => {
  const fake = await Fake.start(made("j1"), batches([]));
  const client = connect({ url: fake.url });
  await client.m.t({}, { key: "größe 🌿" });
  await client.task("m.t").many([{}], { key: "größe 🌿" });
  const [one, many] = fake.heard;
  assert.equal((one?.body as { key: string }).key, "größe 🌿");
  assert.equal((many?.body as { jobs: { key: string }[] }).jobs[0]?.key, "größe 🌿/0");
  assert.deepEqual(
    [one, many].map((it) => it?.headers["idempotency-key"]),
    [undefined, undefined],
  );
});

/** Makes jobs of a batch, and remembers the keys. */
function batches(seen: string[]): Handler {
  return (heard, response) => {
    const { jobs } = heard.body as { jobs: { key: string }[] };
    seen.push(...jobs.map((it) => it.key));
    return answer({ ids: jobs.map((it) => `j-${it.key}`) }, 201)(heard, response);
  };
}

test("many calls go by the thousand, each with a key of its own", async () => {
  const seen: string[] = [];
  const fake = await Fake.start(batches(seen));
  const t = connect({ url: fake.url }).task("m.t");
  const all = Array.from({ length: 2_001 }, (_, n) => ({ n }));
  const jobs = await t.many(all, { key: "run-1", queue: "low" });
  assert.equal(fake.heard.length, 3);
  assert.deepEqual(
    seen,
    all.map(({ n }) => `run-1/${n}`),
  );
  assert.deepEqual(
    jobs.map((it) => it.id),
    seen.map((it) => `j-${it}`),
  );
  const first = (fake.heard[0]?.body as { jobs: object[] }).jobs[0];
  assert.deepEqual(first, { task: "m.t", args: { n: 0 }, queue: "low", key: "run-1/0" });
  assert.deepEqual(await t.many([]), []);
  assert.equal(fake.heard.length, 3, "no calls are no request");
});

test("many calls of which a later request fails say which are jobs", async () => {
  const errors = [{ pointer: "/jobs/1/args/n", detail: "no" }];
  const fake = await Fake.start(batches([]), refusal("invalid-arguments", 422, { errors }));
  // Two of them are all that a request takes.
  const args = { n: 0, bytes: new Uint8Array(3 * 1024 * 1024) };
  const calls = ["a", "b", "c", "d"].map((key) => ({ task: "m.t", args, key }));
  const client = connect({ url: fake.url });
  await assert.rejects(client.enqueueMany(calls, { key: "k" }), (e) => {
    assert.ok(e instanceof PartlyEnqueued);
    assert.deepEqual([e.ids, e.key], [["j-a", "j-b"], "k"]);
    assert.ok(e.cause instanceof InvalidArguments);
    assert.equal(e.cause.errors[0]?.pointer, "/jobs/3/args/n", "its place among all calls");
    return true;
  });
  const wrong = [...calls, { task: "m.t", que: "high" }];
  await assert.rejects(client.enqueueMany(wrong), /a call has no option `que`/);
  const none = [...calls, { task: "m.t", args: { at: new Map() } }];
  await assert.rejects(client.enqueueMany(none), /^TypeError: \/jobs\/4\/args\/at: a Map/);
  assert.equal(fake.heard.length, 2, "a wrong option is told before there is a request");
});

test("what would do more the second time is asked for once, unless it was refused", async () => {
  const done = answer({ done: true, id: "x", became: "requeued" });
  const acts = {
    requeue: (url: string) => connect({ url }).job("x").requeue(),
    retry: (url: string) => connect({ url }).flow("x").retry(),
  };
  for (const [name, act] of Object.entries(acts)) {
    const fake = await Fake.start(refusal("rate-limited", 429, { retryAfter: "0" }), done);
    await act(fake.url);
    assert.equal(fake.heard.length, 2, name);
    for (const fault of [lost, half, refusal("unavailable", 503, { retryAfter: "0" })]) {
      const fake = await Fake.start(fault, done);
      await assert.rejects(act(fake.url));
      assert.equal(fake.heard.length, 1, name);
    }
  }
});
