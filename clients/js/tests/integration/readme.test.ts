import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { dev } from "./dev.js";

const { url } = await dev();

test("the examples of the README run, and print what they say", async () => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const examples = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map((it) => it[1]).join("\n");
  const said = [...examples.matchAll(/\/\/ → (.*)$/gm)].map((it) => it[1]);
  assert.ok(said.length > 5);
  const program = new URL("../readme.mjs", import.meta.url);
  await writeFile(program, examples);
  after(() => rm(program));
  const env = { ...process.env, LOVAGE_URL: url };
  const { stdout } = await promisify(execFile)(process.execPath, [program.pathname], { env });
  assert.deepEqual(stdout.trimEnd().split("\n"), said);
});
