// What the README shows holds: its tasks are typed, and its test passes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openProject } from "../build/project.js";
import { readTypes } from "../build/types.js";
import { projectOf } from "./project.js";

const SDK = fileURLToPath(new URL("..", import.meta.url));
const blocks = (language) =>
  [...readFileSync(join(SDK, "README.md"), "utf8").matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map((it) => it[1]);

test("the first task, and its test", (t) => {
  const [first] = blocks("ts");
  const tests = blocks("ts").find((it) => it.includes("new TestJob"));
  const root = projectOf(t, { "src/index.ts": first, "test/words.test.ts": tests });
  mkdirSync(join(root, "node_modules/@lovage"), { recursive: true });
  symlinkSync(SDK, join(root, "node_modules/@lovage/sdk"));
  const { words } = readTypes(openProject(root), [{ exported: "words", name: "words" }]);
  assert.equal(words.doc, "Counts the words of a page.");
  assert.deepEqual(JSON.parse(words.input).properties.longest, { type: "integer", minimum: 1 });
  const args = ["--import", "@lovage/sdk/register", "--test", "test/words.test.ts"];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8", env: { ...process.env, NODE_TEST_CONTEXT: "" } });
  assert.equal(status, 0, stdout);
});

test("buckets and databases", (t) => {
  for (const [source, name] of [["Bucket.open", "visit"], ["sql.transaction", "move"]]) {
    const block = blocks("ts").find((it) => it.includes(source));
    const types = readTypes(openProject(projectOf(t, { "src/index.ts": block })), [{ exported: name, name }]);
    assert.equal(JSON.parse(types[name].output).type, "number");
  }
});

test("the same in JavaScript, and a batch", (t) => {
  const [script] = blocks("js");
  const batch = blocks("ts").find((it) => it.includes("batch: {"));
  for (const [name, source] of [["src/index.js", script], ["src/index.ts", batch]]) {
    const root = projectOf(t, { [name]: `import { Failure, task } from "@lovage/sdk";\n${source}` });
    const { words } = readTypes(openProject(root), [{ exported: "words", name: "words" }]);
    assert.equal(JSON.parse(words.input).properties.text.type, "string");
    assert.equal(JSON.parse(words.output).type, "number");
  }
});
