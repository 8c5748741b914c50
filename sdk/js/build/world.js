// The world of one module: the contract's interfaces that it uses, and no others, since whatever a component imports it
// must also want.

import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SDK } from "./bundle.js";

/** Writes the package with the world `module` into a folder. */
export async function writeWorld(folder, imports, shape) {
  await cp(join(SDK, "wit"), folder, { recursive: true });
  const lines = [
    "import context;",
    "import jobs;",
    ...imports.filter((it) => it.startsWith("wasi:")).map((it) => `import ${it};`),
    imports.some((it) => it.startsWith("lovage:task/sql@")) && "import sql;",
    "export handler;",
    shape.batched && "export batches;",
    shape.wants.length && "export wants;",
  ];
  const world = `package lovage:task@0.1.0;\n\nworld module {\n  ${lines.filter(Boolean).join("\n  ")}\n}\n`;
  await writeFile(join(folder, "module.wit"), world);
}
