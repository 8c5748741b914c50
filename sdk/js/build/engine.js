// componentize-js puts the script into StarlingMonkey, runs it once, and keeps the memory that it leaves. It is loaded only
// where a component is really made: that alone takes a second. It would take any 1.x of jco, so `package.json` names one.

import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { isPackage, placeAt } from "./places.js";
import { Problem } from "./problem.js";

const require = createRequire(import.meta.url);

/** The engine's version, which is part of what a component is made of. */
export const ENGINE = require("../package.json").dependencies["@bytecodealliance/componentize-js"];

/** The component of a script, in the world `module` of a folder of WIT. `places` are those of the script in its sources. */
export async function embed(scratch, script, world, { http }, places) {
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
    throw new Problem(explained(error.message, places));
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

/** What an author expects of the engine, and it has not; and what to do. */
const MISSING = [
  [/ReferenceError: (process|Buffer|require|setImmediate) is not defined/, ([, name]) => `\`${name}\` is Node's, and is not there in the sandbox: ${WAYS[name]}`],
  [/invalid (class )?property name in regular expression/, () => "the engine has no `\\p{…}` in regular expressions: name the characters, or take a package that does"],
  [/(set\w+) can only be used during request handling/, ([, name]) => `\`${name}\` does nothing while the module is loaded, which is at build time: do that inside a task`],
];

const WAYS = {
  process: "`config.get` takes the place of environment variables",
  Buffer: "take a `Uint8Array`, with `TextEncoder` and `TextDecoder`",
  require: "write `import`",
  setImmediate: "take `setTimeout` or `queueMicrotask`",
};

/** In words of the author's, what the engine said of a script that it could not load. */
export function explained(message, places) {
  const asked = /unknown imported function: '([^']+)'/.exec(message)?.[1];
  const what = AT_LOAD.find(([interface_]) => interface_.test(asked ?? ""))?.[1];
  if (what) return `the module asks for ${what} while it is loaded, which is at build time: do that inside a task`;
  const at = whereOf(message, places);
  for (const [said, words] of MISSING) {
    const found = said.exec(message);
    if (found) return at + words(found);
  }
  const said = message.split("\n").filter((line) => line && !/^\s+\d+: 0x|^\s*at /.test(line));
  return `${at}the script cannot be loaded in the sandbox's engine: ${said.slice(0, 12).join("; ")}`;
}

/** The author's own line that an error comes from, or a package's where none is the author's. */
function whereOf(message, places) {
  const found = [...message.matchAll(/module\.js:(\d+):(\d+)/g)].flatMap(([, line, column]) => placeAt(places, line, column) ?? []);
  const place = found.find((it) => !isPackage(it.source)) ?? found[0];
  return place ? `${place.source}:${place.line}: ` : "";
}
