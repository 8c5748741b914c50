// What only the sandbox shows: a module of the SDK's, pushed to a real `lovage dev`, with a bucket and a database.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { projectOf } from "./project.js";

const SDK = fileURLToPath(new URL("..", import.meta.url));

const SOURCE = `
import { Bucket, CallError, sql, SqlError, task, wants } from "@lovage/sdk";

wants("bucket visits", "sql notes");
const visits = Bucket.open("visits");

/** What is thrown, in short. */
async function thrown(body: () => unknown): Promise<string> {
  try {
    await body();
  } catch (error) {
    if (error instanceof CallError) return error.code;
    if (error instanceof SqlError) return [error.code, error.state, error.mayRetry].join(" ");
    return String(error);
  }
  return "nothing";
}

export const bucket = task(async () => {
  visits.set("bytes", new Uint8Array([0, 255]));
  visits.setMany({ "1": "a", "2": "b", text: "é" });
  visits.delete("1");
  visits.deleteMany(["2", "nothing"]);
  const swapped = [visits.swap("lamp", null, "on"), visits.swap("lamp", null, "x"), visits.swap("lamp", "on", "off")];
  // More than an attempt may have handles: each is dropped.
  for (let n = 0; n < 1_500; n++) visits.swap("lamp", "on", "x");
  const [bytes, none] = visits.getMany(["bytes", "none"]);
  return {
    swapped,
    bytes: [bytes instanceof Uint8Array, Array.from(bytes ?? [])],
    none: none === undefined,
    text: new TextDecoder().decode(visits.get("text")),
    sums: [visits.increment("n"), visits.increment("n", -3), String(visits.increment("big", 2n ** 63n - 1n)), visits.increment("n", 3)],
    exists: [visits.exists("lamp"), visits.exists("1")],
    keys: [...visits.keys()],
    refused: [
      await thrown(() => visits.increment("text")),
      await thrown(() => visits.increment("text", -1)),
      await thrown(() => visits.set("", "x")),
      await thrown(() => Bucket.open("other").get("x")),
      await thrown(() => visits.increment("big", 0)),
    ],
  };
});

export const outside = task(() => thrown(() => fetch("http://localhost/")));

export const database = task(async () => {
  sql.query("notes", "create table notes (text, at, data blob, share real, big)");
  const lost = (after: () => unknown) => thrown(() =>
    sql.transaction("notes", (it) => {
      it.query("insert into notes (text) values ('lost')");
      return after();
    }));
  const refused = [
    await lost(() => { throw new Error("no"); }),
    await lost(() => Promise.reject(new Error("no"))),
    await thrown(() => sql.query("notes", "selec 1")),
    await thrown(() => sql.query("other", "select 1")),
    await thrown(() => sql.query("notes", "select 1 where 1 = 0").one()),
  ];
  // More than an attempt may have handles, or open transactions.
  for (let n = 0; n < 1_500; n++) sql.transaction("notes", () => n);
  const affected = await sql.transaction("notes", async (it) => {
    await Promise.resolve();
    const values = ["hi", new Date(0), new Uint8Array([1]), 0.5, -(2n ** 63n)];
    return it.query("insert into notes values (?1, ?2, ?3, ?4, ?5)", values).affected;
  });
  const { data, big, ...others } = sql.query<Record<string, any>>("notes", "select *, 1 as text, null as none from notes").one();
  return { refused, affected, data: [data instanceof Uint8Array, Array.from(data)], big: String(big), others };
});
`;

const binary = process.env.LOVAGE_BIN;
// It reads its configuration from `LOVAGE_…`, and refuses a name that it does not know.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LOVAGE_")));

/** A built project, and what the binary says in it. */
function built(t, files) {
  assert.ok(binary, "set LOVAGE_BIN to the path of the built `lovage`");
  const root = projectOf(t, files);
  const build = spawnSync(process.execPath, [join(SDK, "build.js"), root], { encoding: "utf8" });
  assert.equal(build.status, 0, build.stderr);
  const lovage = (...words) => execFileSync(binary, words, { cwd: root, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return { root, lovage };
}

test("buckets and databases", { timeout: 300_000 }, async (t) => {
  const { root, lovage } = built(t, { "src/index.ts": SOURCE, "notes.db": "" });
  writeFileSync(join(root, "lovage.toml"), `broker = "sqlite:lovage.db"\n[sql.notes]\nurl = "sqlite:${join(root, "notes.db")}"\n`);
  const dev = spawn(binary, ["dev", "--listen", "127.0.0.1:0", "--grace", "1s"], { cwd: root, env, stdio: "ignore" });
  t.after(async () => {
    dev.kill("SIGTERM");
    if (dev.exitCode === null) await once(dev, "exit");
  });
  lovage("push", "hello.wasm", "--name", "kept", "--grant");
  const called = (task) => JSON.parse(lovage("call", `kept.${task}`, "--retries", "0", "--wait=2m"));

  assert.deepEqual(called("bucket"), {
    swapped: [true, false, true],
    bytes: [true, [0, 255]],
    none: true,
    text: "é",
    sums: [1, -2, "9223372036854775807", 1],
    exists: [true, false],
    keys: ["big", "bytes", "lamp", "n", "text"],
    refused: ["invalid", "invalid", "limit", "denied", "limit"],
  });
  assert.equal(called("outside"), 'TypeError: the module wants no host: write `wants("http GET …")` at the top of a file');
  assert.deepEqual(called("database"), {
    refused: ["Error: no", "Error: no", "database 1 false", "denied  false", "rows  false"],
    affected: 1,
    data: [true, [1]],
    big: "-9223372036854775808",
    others: { text: "hi", at: "1970-01-01T00:00:00.000Z", share: 0.5, none: null },
  });
});

test("a request that was not granted is an error, also while its body is written", { timeout: 300_000 }, (t) => {
  const source = `
    import { task, wants } from "@lovage/sdk";

    wants("http example.com");

    export const send = task(async ({ body }: { body: string }) => {
      try {
        await fetch("https://example.com/", { method: "POST", body });
      } catch (error) {
        return String(error);
      }
      return "sent";
    });
  `;
  const { lovage } = built(t, { "src/index.ts": source });
  // Which of the two is first is up to chance. By itself a task is granted nothing.
  for (let n = 0; n < 10; n++) {
    const ran = JSON.parse(lovage("run", "hello.wasm", "send", "body=x", "--json"));
    assert.match(ran.result, /^TypeError: /);
  }
});
