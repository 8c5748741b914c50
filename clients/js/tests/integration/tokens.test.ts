import assert from "node:assert/strict";
import { test } from "node:test";
import { Forbidden, TooLarge, Unauthorized, connect } from "@lovage/client";
import { dev } from "./dev.js";

const server = await dev();
const url = await server.serve();

test("a token is sent, and what it may not is refused", async () => {
  const may = connect({ url, token: await server.token("--role", "producer") });
  assert.equal(await may.basics.add.result({ a: 1, b: 2 }), 3);
  const looks = connect({ url, token: await server.token("--role", "viewer") });
  await assert.rejects(looks.basics.add({ a: 1, b: 2 }), Forbidden);
  for await (const job of looks.jobs()) assert.equal(job.task, "basics.add");
  await assert.rejects(connect({ url }).basics.add({ a: 1, b: 2 }), Unauthorized);
  await assert.rejects(connect({ url, token: "lov_x" }).events().next(), Unauthorized);
});

test("a rate is kept to by waiting, and a body that is too large is refused", async () => {
  const token = await server.token("--role", "producer", "--rate", "2/s", "--body", "1KiB");
  const client = connect({ url, token });
  const began = performance.now();
  for (let n = 0; n < 4; n++) await client.basics.add({ a: n, b: n });
  assert.ok(performance.now() - began >= 900, "two more than its rate take a second");
  await assert.rejects(client.basics.echo({ value: "x".repeat(2_000) }), TooLarge);
});
