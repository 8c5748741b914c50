import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "@lovage/client";
import { dev } from "./dev.js";

const server = await dev();
const client = connect({ url: server.url });

/** Fails a test that would wait for ever. */
const signal = () => AbortSignal.timeout(30_000);

test("a job's progress ends with the job", async () => {
  const job = await client.basics.walk({ account: "ann", steps: 15 });
  const states = [];
  for await (const { id, state } of job.progress({ signal: signal() })) {
    assert.equal(id, job.id);
    states.push(state);
  }
  assert.equal(states.at(-1), "completed");
});

test("what happens is told, and a later stream goes on behind it", async () => {
  const kinds: unknown[] = [];
  let last = "";
  const stream = client.events({ task: "basics.echo", signal: signal() });
  const next = stream.next();
  await new Promise((done) => setTimeout(done, 3_000));
  const job = await client.basics.echo({ value: 1 });
  for (let { value } = await next; value; { value } = await stream.next()) {
    const { kind, ids } = value.data as { kind: string; ids: string[] };
    assert.deepEqual(ids, [job.id]);
    kinds.push(kind);
    if (kinds.length === 1) last = value.id;
    else break;
  }
  await stream.return(undefined);
  assert.deepEqual(kinds, ["started", "completed"]);
  for await (const { data } of client.events({ after: last, task: "basics.echo" })) {
    assert.equal((data as { kind: string }).kind, "completed");
    break;
  }
});

test("a wait and a stream outlive the server's restart", async () => {
  const job = await client.basics.add({ a: 1, b: 2 }, { delay: "6s" });
  const result = job.result({ within: "60s" });
  const states: string[] = [];
  const followed = (async () => {
    for await (const { state } of job.progress({ signal: signal() })) states.push(state);
  })();
  await new Promise((done) => setTimeout(done, 500));
  await server.restart();
  assert.equal(await result, 3);
  await followed;
  assert.deepEqual([states[0], states.at(-1)], ["scheduled", "completed"]);
});
