import assert from "node:assert/strict";
import { type IncomingMessage, createServer, request as send } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { connect } from "@lovage/client";
import { dev } from "./dev.js";

const { url } = await dev();

/** Hands requests on, and loses every second answer: before it begins, or in its middle. */
async function lossy(): Promise<string> {
  let count = 0;
  const server = createServer((request, response) => {
    const { method, headers } = request;
    const onward = send(new URL(request.url ?? "/", url), { method, headers });
    onward.on("response", (answer: IncomingMessage) => {
      count += 1;
      if (count % 4 === 1) return void response.socket?.destroy();
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      if (count % 4 !== 3) return void answer.pipe(response);
      response.flushHeaders();
      setTimeout(() => response.socket?.destroy(), 5);
    });
    onward.on("error", () => response.socket?.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("of calls whose answers are lost there is one job each, with its result", async () => {
  const client = connect({ url: await lossy() });
  const numbers = Array.from({ length: 40 }, (_, n) => n);
  const tags = ["single"];
  const results = numbers.map((n) => client.basics.add.result({ a: n, b: n }, { tags }));
  assert.deepEqual(
    await Promise.all(results),
    numbers.map((n) => 2 * n),
  );
  const calls = numbers.map((n) => ({ a: n, b: 0 }));
  const many = await client.basics.add.many(calls, { tags: ["many"] });
  assert.equal(many.length, 40);
  for (const tag of ["single", "many"]) {
    const ids = [];
    for await (const job of connect({ url }).jobs({ tag })) ids.push(job.id);
    assert.equal(new Set(ids).size, 40, tag);
  }
});
