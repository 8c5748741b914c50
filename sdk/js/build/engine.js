// componentize-js puts the script into StarlingMonkey, runs it once, and keeps the memory that it leaves. It is loaded only
// where a component is really made: that alone takes a second. It would take any 1.x of jco, so `package.json` names one.

import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Problem } from "./problem.js";

const require = createRequire(import.meta.url);

/** The engine's version, which is part of what a component is made of. */
export const ENGINE = require("../package.json").dependencies["@bytecodealliance/componentize-js"];

/** The component of a script, in the world `module` of a folder of WIT. */
export async function embed(scratch, script, world, { http }) {
  const folder = join(scratch, "script");
  await mkdir(folder);
  const sourcePath = join(folder, "module.js");
  await writeFile(sourcePath, script);
  const { componentize } = await import("@bytecodealliance/componentize-js");
  const disableFeatures = http ? ["fetch-event"] : ["http", "fetch-event"];
  try {
    const { component } = await componentize({ sourcePath, witPath: world, worldName: "module", disableFeatures });
    return component;
  } catch (error) {
    throw new Problem(explained(error.message));
  }
}

/** What the engine was asked for while the module was loaded, in words of the author's. */
const AT_LOAD = [
  [/wasi:random/, "random numbers"],
  [/wasi:(http|sockets)/, "the network"],
  [/wasi:clocks/, "the time"],
  [/wasi:keyvalue/, "a bucket"],
  [/lovage:task\/sql/, "a database"],
  [/lovage:task|wasi:config/, "the running job"],
];

function explained(message) {
  const asked = /unknown imported function: '([^']+)'/.exec(message)?.[1];
  const what = AT_LOAD.find(([interface_]) => interface_.test(asked ?? ""))?.[1];
  if (what) return `the module asks for ${what} while it is loaded, which is at build time: do that inside a task`;
  const said = message.split("\n").filter((line) => line && !/^\s+\d+: 0x|^\s*at /.test(line));
  return `the script cannot be loaded in the sandbox's engine: ${said.slice(0, 12).join("; ")}`;
}
