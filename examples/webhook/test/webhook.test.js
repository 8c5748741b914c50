import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { TestJob } from "@lovage/sdk/testing";
import { patience } from "../src/answer.js";
import { send } from "../src/index.js";

const SECRET = "whsec";
/** What the receiver was sent, and what it answers with. */
const seen = [];
const answers = [];
const server = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  seen.push({ headers: request.headers, body });
  const [status, headers] = answers.shift() ?? [204];
  response.writeHead(status, headers).end(status === 204 ? undefined : "no\n".repeat(1000));
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${server.address().port}/hook`;
after(() => server.close());

function sent(to = url, job = new TestJob({ config: { "webhook-secret": SECRET } })) {
  return job.run(async () => send({ url: to, event: "order.paid", data: { order: 42 } }));
}

async function failing(promise) {
  return promise.then(
    () => assert.fail("it was sent"),
    (error) => error,
  );
}

test("a receiver can tell who it is from, and that nothing was changed", async () => {
  const job = new TestJob({ config: { "webhook-secret": SECRET } });
  assert.deepEqual(await sent(url, job), { status: 204, attempt: 1 });
  const { headers, body } = seen.pop();
  const id = headers["webhook-id"];
  assert.deepEqual(JSON.parse(body), { id, event: "order.paid", data: { order: 42 } });
  assert.equal(headers["idempotency-key"], id);
  const age = Date.now() / 1000 - Number(headers["webhook-timestamp"]);
  assert.ok(age >= 0 && age < 30, `${age}`);
  const hmac = createHmac("sha256", SECRET);
  hmac.update(`${id}.${headers["webhook-timestamp"]}.${body}`);
  assert.equal(headers["webhook-signature"], `v1,${hmac.digest("base64")}`);
});

test("every attempt sends the same id and body", async () => {
  const job = new TestJob({ config: { "webhook-secret": SECRET } });
  answers.push([500]);
  assert.equal((await failing(sent(url, job))).kind, "receiver");
  assert.deepEqual(await sent(url, job.next()), { status: 204, attempt: 2 });
  const [first, second] = seen.splice(0);
  assert.equal(first.body, second.body);
  assert.equal(first.headers["idempotency-key"], second.headers["idempotency-key"]);
});

for (const [status, header, kind, retry] of [
  [500, undefined, "receiver", { tag: "policy" }],
  [503, "7", "receiver", { tag: "after", val: 7000n }],
  [503, "soon", "receiver", { tag: "policy" }],
  [429, "1", "receiver", { tag: "after", val: 1000n }],
  [400, "7", "refused", { tag: "never" }],
  [410, undefined, "refused", { tag: "never" }],
  [302, undefined, "refused", { tag: "never" }],
]) {
  test(`${status} with Retry-After ${header}: ${retry.tag}`, async () => {
    answers.push([status, header && { "retry-after": header }]);
    const failed = await failing(sent());
    assert.deepEqual([failed.kind, failed.retry], [kind, retry]);
    assert.match(failed.message, new RegExp(String(status)));
    assert.ok(failed.detail.length <= 500);
  });
}

test("a receiver that is not there is tried again", async () => {
  const failed = await failing(sent("http://127.0.0.1:1/"));
  assert.deepEqual([failed.kind, failed.retry.tag], ["unreachable", "policy"]);
});

test("without a secret nothing is sent", async () => {
  seen.length = 0;
  assert.equal((await failing(sent(url, new TestJob()))).kind, "config");
  assert.equal(seen.length, 0);
});

test("Retry-After has seconds or a time, within bounds", () => {
  const now = Date.UTC(2026, 10, 22, 10);
  assert.equal(patience("120", now), 120);
  assert.equal(patience("Sun, 22 Nov 2026 10:00:30 GMT", now), 30);
  assert.equal(patience("Sun, 22 Nov 2026 09:00:00 GMT", now), 0);
  assert.equal(patience("999999", now), 3600);
  assert.equal(patience(null, now), undefined);
  assert.equal(patience("tomorrow", now), undefined);
});
