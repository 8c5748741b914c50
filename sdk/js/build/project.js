// A module's project: its folder, its name and its entry file.

import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Problem } from "./problem.js";

const ENTRIES = ["src/index.ts", "src/index.js", "index.ts", "index.js"];

export function openProject(folder) {
  const root = resolve(folder);
  const file = join(root, "package.json");
  if (!existsSync(file)) {
    throw new Problem(`\`${folder}\` holds no module that can be built: there is no \`package.json\``);
  }
  let manifest;
  try {
    manifest = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Problem(`\`${file}\` cannot be read: ${error.message}`);
  }
  const candidates = manifest.main ? [manifest.main] : ENTRIES;
  const entry = candidates.find((it) => existsSync(join(root, it)));
  if (!entry) {
    throw new Problem(`\`${folder}\` has no entry file: make \`${candidates.join("` or `")}\`, or name another as \`main\` in its \`package.json\``);
  }
  return { root, name: String(manifest.name ?? "module").replace(/^@[^/]*\//, ""), entry: join(root, entry) };
}
