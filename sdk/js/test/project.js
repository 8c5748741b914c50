// Small projects to build in tests.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Makes a project of some files in a folder that goes when the test ends. */
export function projectOf(test, files) {
  const root = mkdtempSync(join(tmpdir(), "lovage-test-"));
  test.after(() => rmSync(root, { recursive: true, force: true }));
  const all = { "package.json": JSON.stringify({ name: "@me/hello", type: "module" }), ...files };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}
