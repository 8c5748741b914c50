// Top-level `await`s: one that never ends would end the build with it, and Node says nothing of the author's.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { Problem } from "./problem.js";

/** What a promise comes to; refused, with the places that may be it, where nothing is left that could settle it. */
export async function settled(promise, root, sources) {
  let idle;
  const never = new Promise((_, reject) => {
    idle = () => reject(new Problem(told(root, sources)));
  });
  process.once("beforeExit", idle);
  try {
    return await Promise.race([promise, never]);
  } finally {
    process.off("beforeExit", idle);
  }
}

function told(root, sources) {
  const places = sources.flatMap((it) => awaits(root, it));
  const said = "a top-level `await` never ends: nothing is left that could end it";
  if (places.length === 1) return `${places[0]}: ${said}`;
  return places.length ? `${said}; it is one of \`${places.slice(0, 5).join("`, `")}\`` : said;
}

/** Where a source waits while it is loaded. */
function awaits(root, source) {
  const file = ts.createSourceFile(source, readFileSync(join(root, source), "utf8"), ts.ScriptTarget.Latest, true);
  const found = [];
  const look = (node) => {
    // What stands in a function is not waited for by itself.
    if (ts.isFunctionLike(node)) return;
    if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)) {
      found.push(`${source}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`);
    }
    ts.forEachChild(node, look);
  };
  look(file);
  return found;
}
