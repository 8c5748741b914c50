import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { bundleForComponent } from "../build/bundle.js";
import { explained } from "../build/engine.js";
import { openProject } from "../build/project.js";
import { projectOf } from "./project.js";

const SDK = fileURLToPath(new URL("..", import.meta.url));
const build = (root, ...args) => spawnSync(process.execPath, [join(SDK, "build.js"), root, ...args], { encoding: "utf8", timeout: 120_000 });

/** Builds what must be refused, and answers with what is said. */
function refused(t, source, name = "src/index.ts") {
  const { status, stderr } = build(projectOf(t, { [name]: source }));
  assert.equal(status, 1, stderr);
  return stderr.split("\n").filter((line) => line.startsWith("error: ")).join("\n");
}

test("a component, and none where nothing has changed", (t) => {
  const root = projectOf(t, {
    "src/index.ts": "import { greet } from './greet.js';\nexport { greet };\n",
    "src/greet.ts": "import { task } from '@lovage/sdk';\nexport const greet = task(({ name }: { name: string }) => ({ text: name }));\n",
  });
  const first = build(root);
  assert.equal(first.status, 0, first.stderr);
  assert.match(first.stderr, /^checking `hello`\nmaking the component\nbuilt `.*hello\.wasm` \(\d+\.\d MiB\)\n$/);
  const component = join(root, "hello.wasm");
  assert.equal(readFileSync(component).subarray(0, 8).toString("hex"), "0061736d0d000100");
  const { mtimeMs } = statSync(component);
  assert.match(build(root).stderr, /nothing has changed/);
  assert.equal(statSync(component).mtimeMs, mtimeMs);
  writeFileSync(join(root, "empty"), "");
  for (const output of ["new/folder/other.wasm", "empty", "hello.wasm"]) {
    assert.equal(build(root, "--output", join(root, output)).status, 0);
    assert.equal(readFileSync(join(root, output)).subarray(0, 4).toString(), "\0asm");
  }
});

test("where a component cannot go, none is built", (t) => {
  const task = "import { task } from '@lovage/sdk';\nexport const a = task(() => 1);";
  const root = projectOf(t, { "src/index.js": task, "folder/a": "", "notes.wasm": "my notes" });
  const said = (output) => {
    const { status, stderr } = build(root, "--output", output);
    assert.equal(status, 1, stderr);
    return stderr;
  };
  assert.match(said(join(root, "folder")), /^error: `.*folder` is a folder: name the file, as `.*folder\/hello\.wasm`\n$/);
  assert.match(said(`${root}/later/`), /^error: `.*later` is a folder: name the file/);
  for (const source of ["src/index.js", "notes.wasm"]) {
    assert.match(said(join(root, source)), /^error: `.*` is there, and is no component: it is not overwritten\n$/);
  }
  assert.match(said(join(root, "notes.wasm/a.wasm")), /^error: `.*a\.wasm` cannot be written: .*\n$/);
  assert.equal(readFileSync(join(root, "src/index.js"), "utf8"), task);
  assert.ok(!existsSync(join(root, "later")));
});

test("a module that waits for ever while it is loaded is told with the place", (t) => {
  const rest = "import { task } from '@lovage/sdk';\nexport const a = task(async () => await 1);\n";
  const never = "await new Promise(() => {});\n";
  const said = "a top-level `await` never ends: nothing is left that could end it";
  assert.equal(refused(t, rest + never), `error: src/index.ts:3: ${said}`);
  assert.equal(refused(t, `${rest}await 1;\nfor await (const it of [new Promise(() => {})]) it;\n`), `error: ${said}; it is one of \`src/index.ts:3\`, \`src/index.ts:4\``);
});

test("a component imports what its module uses", async (t) => {
  const imports = async (body) => {
    const root = projectOf(t, { "src/index.js": `import { Bucket, config, context, sql, task } from "@lovage/sdk";\nexport const it = task(() => ${body});` });
    return (await bundleForComponent(openProject(root), {}, { wants: [], batched: false })).imports;
  };
  assert.deepEqual((await imports("context.attempt")).filter((it) => it.startsWith("wasi:")), []);
  assert.deepEqual((await imports("config.get('a')")).filter((it) => it.startsWith("wasi:")), ["wasi:config/store@0.2.0-rc.1"]);
  const named = async (body) => (await imports(body)).filter((it) => /^wasi:|sql/.test(it)).map((it) => it.split("@")[0]).sort();
  assert.deepEqual(await named("Bucket.open('a').get('b')?.length"), ["wasi:keyvalue/atomics", "wasi:keyvalue/batch", "wasi:keyvalue/store"]);
  assert.deepEqual(await named("sql.query('a', 'b').affected"), ["lovage:task/sql"]);
});

test("the places that a component keeps are the author's, each line as a text", async (t) => {
  const root = projectOf(t, {
    "src/index.js": "import { one } from 'one';\nimport { task } from '@lovage/sdk';\nexport const it = task(() => one());",
    "node_modules/one/package.json": '{"name":"one","type":"module","main":"one.js"}',
    "node_modules/one/one.js": "export const one = () => {\n  throw new Error('one');\n};",
  });
  const { code, places } = await bundleForComponent(openProject(root), {}, { wants: [], batched: false });
  const { sources, lines } = JSON.parse(/lovage\.places"\)\] = (.*);\n$/.exec(code)[1]);
  assert.deepEqual(sources.filter(Boolean), ["src/index.js"]);
  const line = (text) => code.split("\n").findIndex((it) => it.includes(text)) + 1;
  assert.deepEqual(JSON.parse(lines[line("task(() => one")])[0].slice(2), [3, 8]);
  assert.equal(lines[line("new Error(\"one\")")], undefined);
  const missing = explained(`module.js:${line("new Error(\"one\")")}:3 ReferenceError: Buffer is not defined`, places);
  assert.match(missing, /^node_modules\/one\/one\.js:2: `Buffer` is Node's, and is not there in the sandbox: take a `Uint8Array`/);
});

test("what the engine has not is told with its place, and timers that are left keep no build", (t) => {
  const rest = "import { task } from '@lovage/sdk';\nexport const a = task(() => 1);\n";
  const said = (line) => refused(t, rest + line, "src/index.js");
  assert.equal(said("process.env.HOME;"), "error: src/index.js:3: `process` is Node's, and is not there in the sandbox: `config.get` takes the place of environment variables");
  assert.match(said("export const b = /[\\p{L}]/u;"), /^error: src\/index\.js:3: the engine has no `\\p\{…\}` in regular expressions/);
  assert.match(said("setInterval(() => {}, 1000);"), /^error: src\/index\.js:3: `setInterval` does nothing while the module is loaded/);
});

test("what cannot be built is told in one line", (t) => {
  const sdk = "import { task } from '@lovage/sdk';\n";
  assert.match(refused(t, "export const a = 1;"), /exports no task: write `export const greet/);
  assert.match(refused(t, `${sdk}export const mail = task({ retry: 3 }, () => 1);`, "src/index.js"), /^error: task `mail`: no option `retry`: the options are/);
  assert.match(refused(t, `${sdk}export const sendMail = task(() => 1);`), /^error: `sendMail` is no task name: .*name: "send_mail"/);
  assert.match(refused(t, `${sdk}import fs from 'node:fs';\nexport const a = task(() => fs);`), /src\/index\.ts:2: Could not resolve "node:fs".*not there in the sandbox/);
  assert.match(refused(t, `${sdk}import '@lovage/sdk/testing';\nexport const a = task(() => 1);`), /is for tests alone/);
  assert.match(refused(t, `${sdk}const seed = Math.random();\nexport const a = task(() => seed);`), /asks for random numbers while it is loaded.*inside a task/);
  const asking = "import { Bucket } from '@lovage/sdk';\nconst n = Bucket.open('a').exists('b');\n";
  assert.match(refused(t, `${sdk}${asking}export const a = task(() => n);`), /asks for a bucket while it is loaded.*inside a task/);
  assert.match(refused(t, `${sdk}throw new Error('no luck');`), /^error: src\/index\.ts:2: no luck$/);
  assert.match(refused(t, "export const a = ;"), /^error: src\/index\.ts:1: /);
  assert.match(refused(t, "", "src/other.ts"), /has no entry file: make `src\/index\.ts` or/);
  assert.match(build("/nowhere").stderr, /^error: `\/nowhere` holds no module that can be built/);
  assert.match(build(".", "--wat").stderr, /^error: Unknown option '--wat'.*: write node build\.js/);
});

test("the contract is that of the repository", () => {
  const files = (root) =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((it) => it.isFile())
      .map((it) => relative(root, join(it.parentPath ?? it.path, it.name)))
      .sort();
  const [own, contract] = [join(SDK, "wit"), join(SDK, "../../wit")];
  assert.deepEqual(files(own), files(contract));
  for (const file of files(own)) assert.equal(readFileSync(join(own, file), "utf8"), readFileSync(join(contract, file), "utf8"), file);
});

test("TypeScript is tested without its types", (t) => {
  const root = projectOf(t, {
    "a.ts": "export const a: number = 1;\n",
    "b.ts": "import { a } from './a.js';\nconsole.log(a as number);\n",
  });
  const said = execFileSync(process.execPath, ["--import", join(SDK, "build/register.js"), join(root, "b.ts")], { encoding: "utf8" });
  assert.equal(said, "1\n");
});
