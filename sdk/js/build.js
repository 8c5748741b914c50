#!/usr/bin/env node
// `lovage build` runs this: node build.js FOLDER --output FILE. Progress and errors go to stderr.

import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Problem } from "./build/problem.js";

const USAGE = "node build.js FOLDER [--output FILE]";

async function main() {
  let parsed;
  try {
    parsed = parseArgs({ allowPositionals: true, options: { output: { type: "string", short: "o" } } });
  } catch (error) {
    throw new Problem(`${error.message}: write ${USAGE}`);
  }
  const { positionals, values } = parsed;
  if (positionals.length > 1) throw new Problem(`one folder is built at a time: write ${USAGE}`);
  const { buildModule } = await import("./build/module.js").catch(uninstalled);
  await buildModule(positionals[0] ?? ".", values.output, (line) => process.stderr.write(`${line}\n`));
}

/** A folder that npm only links to has none of its packages. */
function uninstalled(error) {
  const missing = /Cannot find package '([^']+)'/.exec(error.message)?.[1];
  if (!missing) throw error;
  throw new Problem(`the SDK's own package \`${missing}\` is not installed: run \`npm install --install-links\` in the module's folder`);
}

if (realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url))) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    for (const line of error.lines) process.stderr.write(`error: ${line}\n`);
    process.exitCode = 1;
  }
  // A module that was asked for its tasks may have left timers, which would keep the process for ever.
  process.stderr.write("", () => process.exit());
}
