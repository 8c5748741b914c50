/** The client in a page, by the modules that `npm run build` makes and a browser loads. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { type Page, chromium } from "playwright-core";
import type * as Lovage from "@lovage/client";
import type { Basics } from "../generated_example.js";
import { dev } from "../integration/dev.js";

/** Where the page finds its modules. */
const MODULES: Record<string, URL> = {
  "/__client/": new URL("../../dist/", import.meta.url),
  "/__msgpack/": new URL("../../node_modules/@msgpack/msgpack/dist.esm/", import.meta.url),
};
const PAGE = `<!doctype html>
<script type="importmap">
  { "imports": {
    "@lovage/client": "/__client/index.js",
    "@msgpack/msgpack": "/__msgpack/index.mjs"
  } }
</script>
<script type="module">
  globalThis.lovage = await import("@lovage/client");
</script>`;

/** Another server: Chromium asks its user before a page that came from nowhere calls loopback. */
const elsewhere = createServer((_, response) => {
  response.setHeader("content-type", "text/html").end(PAGE);
});
await new Promise<void>((listens) => elsewhere.listen(0, listens));
after(() => elsewhere.close());
const { port } = elsewhere.address() as AddressInfo;
/** Its page has two origins. */
const [friend, stranger] = [`http://localhost:${port}`, `http://127.0.0.1:${port}`];
const { url } = await dev(`[serve]\norigins = ["${friend}"]\n`);
const browser = await chromium
  .launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  })
  .catch((cause: unknown) => {
    throw new Error("there is no Chromium to test with: run scripts/tools", { cause });
  });
after(() => browser.close());

declare const lovage: typeof Lovage;

/** A page of an origin, the server's own where none is said, in which nothing goes wrong unnoticed. */
async function opened(origin = url): Promise<{ page: Page; wrong: string[] }> {
  const page = await browser.newPage();
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (it) => void (it.type() === "error" && wrong.push(it.text())));
  await page.route(`${url}/__page`, (route) =>
    route.fulfill({ contentType: "text/html", body: PAGE }),
  );
  for (const [path, folder] of Object.entries(MODULES)) {
    await page.route(`${origin}${path}**`, async (route) => {
      const name = new URL(route.request().url()).pathname.slice(path.length);
      const body = await readFile(new URL(name, folder), "utf8");
      await route.fulfill({ contentType: "text/javascript", body });
    });
  }
  await page.goto(`${origin}/__page`);
  await page.waitForFunction(() => "lovage" in globalThis);
  return { page, wrong };
}

test("in a page a call has its result, with 64 bits and bytes exact", async () => {
  const { page, wrong } = await opened();
  const found = await page.evaluate(async () => {
    const client = lovage.connect<{ basics: Basics }>({ url: location.origin });
    const large = await client.basics.add.result({ a: 2n ** 62n, b: 2n ** 62n - 1n });
    const made = await client.basics.bytes.result({ length: 70_000 });
    const value = new Uint8Array([9, 0, 254, 255]).subarray(1);
    const { input } = await (await client.basics.echo({ value }, { delay: "1h" })).record();
    return {
      large: String(large),
      made: [made instanceof Uint8Array, made.length, made.every((it) => it === 42)],
      input,
    };
  });
  assert.deepEqual(found, {
    large: String(2n ** 63n - 1n),
    made: [true, 70_000, true],
    // A record has bytes as Base64.
    input: { value: "AP7/" },
  });
  assert.deepEqual(wrong, []);
});

test("in a page events come as they happen, and a loop that is left closes its stream", async () => {
  const { page, wrong } = await opened();
  const closed = new Promise((done) => {
    page.on("requestfailed", (it) => it.url().includes("/v1/events") && done(it.url()));
  });
  const found = await page.evaluate(async () => {
    const client = lovage.connect<{ basics: Basics }>({ url: location.origin });
    const signal = AbortSignal.timeout(30_000);
    const stream = client.events({ task: "basics.whoami", signal });
    const first = stream.next();
    // It has to listen before there is something to hear.
    await new Promise((done) => setTimeout(done, 3_000));
    const job = await client.basics.whoami();
    const told = [(await first).value!, (await stream.next()).value!];
    await stream.return(undefined);
    const kinds = told.map(({ event, data }) => [event, (data as { kind: string }).kind]);
    const ids = told.map(({ data }) => (data as { ids: string[] }).ids);
    return { kinds, isIts: ids.every((it) => it.length === 1 && it[0] === job.id) };
  });
  assert.deepEqual(found.kinds, [
    ["jobs", "started"],
    ["jobs", "completed"],
  ]);
  assert.ok(found.isIts);
  await closed;
  assert.deepEqual(wrong, []);
});

test("in a page a job is cancelled, a wait given up, and a problem told", async () => {
  const { page } = await opened();
  const found = await page.evaluate(async () => {
    const client = lovage.connect({ url: location.origin });
    const job = await client["basics"]!["add"]!({ a: 1, b: 2 }, { delay: "1h" });
    const controller = new AbortController();
    const waiting = job.result({ signal: controller.signal }).catch((error: unknown) => error);
    controller.abort(new Error("not wanted any more"));
    const gaveUp = String(await waiting);
    const { became } = await job.cancel();
    const named = (error: unknown) => (error as Error).name;
    const cancelled = await job.result().catch(named);
    const wrong = await client["basics"]!["add"]!({ a: 1, b: "two" }).catch(named);
    return { gaveUp, became, cancelled, wrong };
  });
  assert.deepEqual(found, {
    gaveUp: "Error: not wanted any more",
    became: "cancelled",
    cancelled: "JobCancelled",
    wrong: "InvalidArguments",
  });
});

test("a page of another origin calls where the server names that origin, and there only", async () => {
  const called = (page: Page) =>
    page.evaluate(async (url) => {
      const client = lovage.connect<{ basics: Basics }>({ url, within: "2s" });
      return client.basics.add.result({ a: 40n, b: 2n }).then(String, (error) => error.name);
    }, url);
  const known = await opened(friend);
  assert.equal(await called(known.page), "42");
  assert.deepEqual(known.wrong, []);
  const unknown = await opened(stranger);
  assert.equal(await called(unknown.page), "NoAnswer");
  assert.match(unknown.wrong.join(), /CORS/);
});
