import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Forbidden, NoAnswer, connect } from "@lovage/client";
import { Fake, type Handler, lost, refusal } from "../fake.js";

/** A stream of this text, in these pieces, which then breaks, ends or stays. */
function stream(pieces: string[], then: "break" | "end" | "stay"): Handler {
  return async (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    for (const piece of pieces) {
      response.write(piece);
      await new Promise((done) => setTimeout(done, 20));
    }
    if (then === "break") response.socket?.destroy();
    if (then === "end") response.end();
  };
}

/** The first so many events. */
async function first(fake: Fake, count: number, options: object = {}): Promise<unknown[]> {
  const some = [];
  for await (const { event, data, id } of connect({ url: fake.url }).events(options)) {
    some.push([event, data, id]);
    if (some.length === count) break;
  }
  return some;
}

test("a stream goes on where it was after every break", async () => {
  const fake = await Fake.start(
    stream(["event: jobs\ndata: 1\nid: 7\n\n", "event: jobs\ndata: 2\nid: 8\n"], "break"),
    lost,
    refusal("unavailable", 503),
    stream(["event: jobs\ndata: 2\nid: 8\n\n"], "end"),
    stream(["event: release\ndata: 3\nid: 9\n\n"], "stay"),
  );
  assert.deepEqual(await first(fake, 3, { queue: "high" }), [
    ["jobs", 1, "7"],
    ["jobs", 2, "8"],
    ["release", 3, "9"],
  ]);
  const last = fake.heard.map((it) => it.headers["last-event-id"]);
  assert.deepEqual(last, [undefined, "7", "7", "7", "8"]);
  assert.ok(fake.heard.every((it) => it.query.get("queue") === "high"));
});

test("a break before there is a place to go on from is a gap", async () => {
  const fake = await Fake.start(
    stream([": alive\n\n"], "break"),
    stream(["event: jobs\ndata: {}\nid: 1\n\n"], "stay"),
  );
  assert.deepEqual(await first(fake, 2), [
    ["gap", {}, ""],
    ["jobs", {}, "1"],
  ]);
});

test("a stream that breaks before its first event goes on from where it began", async () => {
  const fake = await Fake.start(
    stream(["id: 6\n\n", "id: 9\n"], "break"),
    stream(["event: jobs\ndata: {}\nid: 7\n\n"], "stay"),
  );
  assert.deepEqual(await first(fake, 1), [["jobs", {}, "7"]]);
  assert.equal(fake.heard[1]?.headers["last-event-id"], "6");
});

test("a stream begins behind the event that is named", async () => {
  const fake = await Fake.start(stream(["data: 1\nid: 42\n\n"], "stay"));
  assert.deepEqual(await first(fake, 1, { after: "41" }), [["message", 1, "42"]]);
  assert.equal(fake.heard[0]?.headers["last-event-id"], "41");
});

test("lines end in every way, and anywhere", async () => {
  const text =
    'event: jobs\r\ndata: {"a":\rdata: "ü"}\r\nid: 1\r\n\r\n: no\ndata\n\nid: 2\ndata:x\n\n';
  const whole = [
    ["jobs", { a: "ü" }, "1"],
    ["message", "", "1"],
    ["message", "x", "2"],
  ];
  for (const size of [1, 3, 1_000]) {
    const bytes = new TextEncoder().encode(text);
    const fake = await Fake.start((_, response) => {
      response.writeHead(200);
      for (let at = 0; at < bytes.length; at += size) response.write(bytes.slice(at, at + size));
    });
    assert.deepEqual(await first(fake, 3), whole, `${size} bytes at once`);
  }
});

test("whoever leaves the loop leaves no stream behind", async () => {
  let closed: Promise<unknown> | undefined;
  const fake = await Fake.start((heard, response) => {
    closed = once(response, "close", { signal: AbortSignal.timeout(30_000) });
    return stream(["data: 1\n\n"], "stay")(heard, response);
  });
  await first(fake, 1);
  assert.ok(closed);
  await closed;
});

test("a stream that is refused ends with the problem, and one that is aborted with its reason", async () => {
  const fake = await Fake.start(refusal("forbidden", 403));
  await assert.rejects(first(fake, 1), Forbidden);
  const mute = await Fake.start(stream([], "stay"));
  const reason = new Error("enough");
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 50);
  await assert.rejects(first(mute, 1, { signal: controller.signal }), reason);
});

test("a stream that cannot begin ends in time, and one that breaks before it begins has no gap", async () => {
  const away = await Fake.start(lost);
  const never = connect({ url: away.url, within: 500 }).events();
  await assert.rejects(never.next(), NoAnswer);
  const fake = await Fake.start(lost, stream(["data: 1\nid: 1\n\n"], "stay"));
  assert.deepEqual(await first(fake, 1), [["message", 1, "1"]]);
});

test("a job's progress ends with the job, and tells nothing twice", async () => {
  const at = (state: string, share: number) =>
    `event: progress\ndata: ${JSON.stringify({ id: "j1", state, progress: { share, message: null } })}\n\n`;
  const jobs = 'event: jobs\ndata: {"ids":["j1"]}\nid: 3\n\n';
  const fake = await Fake.start(
    stream([at("running", 0.1), jobs, at("running", 0.5)], "break"),
    stream([at("running", 0.5), at("completed", 1)], "stay"),
  );
  const shares = [];
  for await (const { state, progress } of connect({ url: fake.url }).job("j1").progress()) {
    shares.push([state, progress?.share]);
  }
  assert.deepEqual(shares, [
    ["running", 0.1],
    ["running", 0.5],
    ["completed", 1],
  ]);
  assert.equal(fake.heard[0]?.query.get("job"), "j1");
});
