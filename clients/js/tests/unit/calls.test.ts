import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import * as lovage from "@lovage/client";
import { Client, connect } from "@lovage/client";
import { Fake, answer, made, refusal } from "../fake.js";

test("a task reads as a function, and its options are the API's", async () => {
  const fake = await Fake.start(made("j1"));
  const client = connect({ url: `${fake.url}/behind/`, token: "lov_x" });
  const job = await client.images.thumbnail(
    { max_side: 200 },
    {
      queue: "high",
      lane: "ann",
      priority: 9,
      delay: 600_000,
      expires: new Date(0),
      key: "order-42",
      unique: { key: "u", until: 5_000, conflict: "reject" },
      retries: 0,
      backoff: { base: 500, factor: 2 },
      maxAge: "1h",
      retryExhausted: false,
      timeout: 1_500,
      softTimeout: "1s",
      fuel: 10n ** 12n,
      memory: 1024,
      resultTtl: 86_400_000,
      release: 3,
      tags: ["a"],
      headers: { traceparent: "00" },
    },
  );
  assert.equal(job.id, "j1");
  const [heard] = fake.heard;
  assert.equal(`${heard?.method} ${heard?.path}`, "POST /behind/v1/jobs");
  assert.equal(heard?.headers.authorization, "Bearer lov_x");
  assert.equal(heard?.headers["content-type"], "application/msgpack");
  assert.deepEqual(heard?.body, {
    task: "images.thumbnail",
    args: { max_side: 200 },
    queue: "high",
    lane: "ann",
    priority: 9,
    eta: "10m",
    expires: "1970-01-01T00:00:00.000Z",
    key: "order-42",
    unique: { key: "u", until: "5s", conflict: "reject" },
    retries: 0,
    backoff: { base: "500ms", factor: 2 },
    max_age: "1h",
    retry_exhausted: false,
    timeout: "1500ms",
    soft_timeout: "1s",
    fuel: 10 ** 12,
    memory: 1024,
    result_ttl: "1d",
    release: 3,
    tags: ["a"],
    headers: { traceparent: "00" },
  });
});

test("a call's options go before those of its task", async () => {
  const fake = await Fake.start(made("j1"));
  const high = connect({ url: fake.url }).task("m.t").withOptions({ queue: "high", lane: "a" });
  await high.withOptions({ lane: "b" })({}, { priority: 1, queue: undefined });
  const body = fake.heard[0]?.body as Record<string, unknown>;
  assert.deepEqual([body["queue"], body["lane"], body["priority"]], ["high", "b", 1]);
});

test("options that would do nothing, or something else, are refused", async () => {
  const fake = await Fake.start(made("j1"));
  const { t } = connect({ url: fake.url })["m"]!;
  const cases: [object, RegExp][] = [
    [{ que: "high" }, /a call has no option `que`/],
    [{ toString: 1 }, /a call has no option `toString`/],
    [{ delay: 1, eta: new Date() }, /a `delay` or an `eta`/],
    [{ eta: Date.now() }, /`eta` is a Date, a time as a text, or a span/],
    [{ timeout: "soon" }, /`timeout`: soon is no span: say milliseconds, or as in "30s"/],
    [{ within: -1 }, /`within`: -1 is no span/],
  ];
  for (const [options, message] of cases) await assert.rejects(t!({}, options), { message });
  assert.equal(fake.heard.length, 0);
});

test("a client is no promise, and its own methods go before modules", async () => {
  const client = connect({ url: "http://127.0.0.1:1" });
  assert.equal(await client, client);
  const images = client["images"]!;
  assert.equal(await images, images);
  assert.equal(client.jobs, Client.prototype.jobs);
  assert.equal(client["my-module"]?.["do_it"]?.task, "my-module.do_it");
  assert.equal((client as unknown as Record<string, unknown>)["toJSON"], undefined);
});

test("whoever prints what has to do with a client prints no token", async () => {
  const fake = await Fake.start(refusal("forbidden", 403));
  const client = connect({ url: fake.url, token: "lov_secret" });
  const problem: unknown = await client.m.t().catch((e: unknown) => e);
  const nobody = new Client({ url: "http://127.0.0.1:1", token: "lov_secret", within: 0 });
  const lost: unknown = await nobody
    .task("m.t")()
    .catch((e: unknown) => e);
  assert.ok(problem instanceof lovage.Forbidden && lost instanceof lovage.NoAnswer);
  const all = [client, nobody, client.m.t, client.job("j1"), client.flow("f1"), problem, lost];
  for (const it of all) {
    for (const showHidden of [false, true]) {
      assert.doesNotMatch(inspect(it, { depth: 9, showHidden, showProxy: true }), /secret/);
    }
    assert.doesNotMatch(String(JSON.stringify(it)), /secret/);
  }
  assert.equal(fake.heard[0]?.headers.authorization, "Bearer lov_secret");
});

test("settings that would do nothing are refused", () => {
  const unknown = /no setting `ulr`: the settings are `url`, `token`, `within`, .*, `fetch`$/;
  const cases: [unknown, RegExp][] = [
    [{ ulr: "http://localhost" }, unknown],
    [{ ulr: undefined }, unknown],
    [{ toString: 1 }, /no setting `toString`/],
    ["http://localhost", /by name: write `{ url: "http:\/\/…" }`/],
    [new URL("http://localhost"), /by name: write/],
    [null, /by name: write/],
  ];
  for (const [settings, message] of cases) {
    assert.throws(() => connect(settings as object), { name: "TypeError", message });
    assert.throws(() => new Client(settings as object), { name: "TypeError", message });
  }
});

test("a URL that is none of a server's is refused", () => {
  const cases: [string, RegExp][] = [
    ["127.0.0.1:1", /or `https:\/\/…`: write `http:\/\/127\.0\.0\.1:1`$/],
    ["localhost:7777/behind", /write `http:\/\/localhost:7777`$/],
    ["lov_x@localhost:1", /: write `http:\/\/localhost:1`$/],
    ["", /: write `http:\/\/localhost:7777`$/],
    ["http://", /: write `http:\/\/localhost:7777`$/],
    ["redis://localhost", /`http:\/\/…` or `https:\/\/…`, not `redis:/],
    ["http://lov_x@localhost", /a token goes into `token`/],
  ];
  for (const [url, message] of cases) assert.throws(() => connect({ url }), { message });
});

test("a token that no header may have is refused at once", () => {
  for (const token of ["lov_x\n", "lov x", "lov_ü", ""]) {
    assert.throws(() => connect({ token }), { message: /the token has a character that none has/ });
  }
});

test("every kind of problem is a class of its own", async () => {
  const kinds: [string, number, keyof typeof lovage][] = [
    ["bad-request", 400, "BadRequest"],
    ["unauthorized", 401, "Unauthorized"],
    ["forbidden", 403, "Forbidden"],
    ["suspended", 403, "Suspended"],
    ["not-found", 404, "NotFound"],
    ["conflict", 409, "Conflict"],
    ["duplicate", 409, "Duplicate"],
    ["too-large", 413, "TooLarge"],
    ["invalid-arguments", 422, "InvalidArguments"],
    ["invalid", 422, "Invalid"],
    ["refused", 422, "Refused"],
    ["quota", 429, "Quota"],
    ["internal", 500, "Internal"],
  ];
  for (const [kind, status, name] of kinds) {
    const errors = [{ pointer: "/args/a", detail: "no" }];
    const fake = await Fake.start(refusal(kind, status, { errors, detail: "it is wrong" }));
    await assert.rejects(connect({ url: fake.url }).m.t(), (e) => {
      assert.ok(e instanceof lovage.Problem);
      assert.ok(e instanceof (lovage[name] as typeof lovage.Problem), name);
      assert.equal(e.name, name);
      assert.equal(e.type, `urn:lovage:problem:${kind}`);
      assert.deepEqual([e.status, e.detail, e.errors], [status, "it is wrong", errors]);
      assert.equal(e.message, "it is wrong (at /args/a)");
      return true;
    });
    assert.equal(fake.heard.length, 1, `${kind} is not repeated`);
  }
});

test("what is none of Lovage's is said to be so", async () => {
  const page = await Fake.start((_, response) => response.writeHead(404).end("<html>"));
  await assert.rejects(connect({ url: page.url }).m.t(), { message: /none of Lovage's: look at/ });
  const other = await Fake.start((_, response) => response.end("<html>"));
  await assert.rejects(connect({ url: other.url }).m.t(), { message: /is http.* a Lovage server/ });
  const moved = await Fake.start((_, response) =>
    response.writeHead(301, { location: "/elsewhere" }).end(),
  );
  await assert.rejects(connect({ url: moved.url }).m.t(), { message: /redirect: give the URL/ });
  assert.equal(moved.heard.length, 1);
});

test("jobs are listed page by page, and cancelled by the thousand", async () => {
  const page = (ids: string[], next: string | null) =>
    answer({ jobs: ids.map((id) => ({ id })), next, complete: true });
  const fake = await Fake.start(page(["a", "b"], "2-9"), page(["c"], null));
  const ids = [];
  for await (const job of connect({ url: fake.url }).jobs({ state: "completed", tag: "x" })) {
    ids.push(job.id);
  }
  assert.deepEqual(ids, ["a", "b", "c"]);
  assert.deepEqual(
    fake.heard.map((it) => [it.query.get("tag"), it.query.get("cursor")]),
    [
      ["x", null],
      ["x", "2-9"],
    ],
  );
  const fates = await Fake.start((heard, response) => {
    const { ids } = heard.body as { ids: string[] };
    return answer({ jobs: ids.map((id) => ({ id, became: "cancelled" })) })(heard, response);
  });
  const many = Array.from({ length: 1_001 }, (_, n) => `j${n}`);
  const became = await connect({ url: fates.url }).cancel(many);
  assert.deepEqual(
    became.map((it) => it.id),
    many,
  );
  assert.equal(fates.heard.length, 2);
});
