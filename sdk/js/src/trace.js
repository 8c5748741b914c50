// From the engine's stack, whose places are in the bundle, to the author's own lines. The build leaves a table of them
// behind the bundle; where there is none, as in tests, the stack stays as it is.

/** Where the build leaves the table: the sources' names, and of each line of the bundle the places where something
 * begins, each with its source, line and column. A line is text until a stack names it. */
const TABLE = Symbol.for("lovage.places");

/** Of an endless recursion nobody wants all of it. */
const LINES = 50;

/** The lines of an error's stack, the innermost first, without the SDK's own. */
export function trace(error) {
  const table = globalThis[TABLE];
  const stack = stackOf(error).split("\n").filter(Boolean).slice(0, LINES);
  if (!table) return stack.filter((line) => line.trimStart().startsWith("at "));
  const { sources, lines } = table;
  return stack.flatMap((frame) => {
    const [, name, line, column] = /^(.*)@module\.js:(\d+):(\d+)$/.exec(frame) ?? [];
    // Lines of the SDK and of packages are not in the table.
    if (typeof lines[line] === "string") lines[line] = JSON.parse(lines[line]);
    const found = lines[line]?.findLast(([at]) => at <= column);
    if (!found) return [];
    const place = `${sources[found[1]]}:${found[2]}:${found[3]}`;
    // The engine marks what was awaited, and closures, in ways of its own.
    const plain = name.replace(/^async\*/, "").replace(/\/?<+$/, "").split("/").at(-1);
    return [plain ? `    at ${plain} (${place})` : `    at ${place}`];
  });
}

/** Anything may have been put there; and an engine that makes it of the message fails where that has no text. */
function stackOf(error) {
  try {
    return typeof error.stack === "string" ? error.stack : "";
  } catch {
    return "";
  }
}
