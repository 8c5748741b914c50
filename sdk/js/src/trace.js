// From the engine's stack, whose places are in the bundle, to the author's own lines. The build leaves the bundle's source
// map behind it; where there is none, as in tests, the stack stays as it is.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Where the build leaves the map. */
export const MAP = Symbol.for("lovage.map");

/** The lines of an error's stack, the innermost first, without the SDK's own. */
export function trace(error) {
  const map = globalThis[MAP];
  const stack = (error.stack ?? "").split("\n").filter(Boolean);
  if (!map) return stack.filter((line) => line.trimStart().startsWith("at "));
  const places = decode(map.mappings);
  return stack.flatMap((frame) => {
    const [, name, line, column] = /^(.*)@module\.js:(\d+):(\d+)$/.exec(frame) ?? [];
    const found = line && find(places[line - 1] ?? [], column - 1);
    if (!found) return [];
    const source = map.sources[found.source];
    // A source without a name is the SDK's.
    if (!source) return [];
    const place = `${source}:${found.line + 1}:${found.column + 1}`;
    // The engine marks what was awaited, and closures, in ways of its own.
    const plain = name.replace(/^async\*/, "").replace(/\/?<+$/, "").split("/").at(-1);
    return [plain ? `    at ${plain} (${place})` : `    at ${place}`];
  });
}

/** The last place of a line that is not behind the column. */
function find(places, column) {
  return places.findLast((place) => place.at <= column);
}

/** The mappings of a source map (revision 3): for each line of the bundle the places where an original one begins. */
function decode(mappings) {
  let [source, line, column] = [0, 0, 0];
  return mappings.split(";").map((text) => {
    let at = 0;
    const places = [];
    for (const segment of text.split(",")) {
      const [by, sources, lines, columns] = numbers(segment);
      if (by === undefined) continue;
      at += by;
      if (sources === undefined) continue;
      source += sources;
      line += lines;
      column += columns;
      places.push({ at, source, line, column });
    }
    return places;
  });
}

/** Base64 VLQ: five bits a digit, the sixth says that more follow; the lowest bit of the whole is the sign. */
function numbers(segment) {
  const found = [];
  let [value, shift] = [0, 0];
  for (const character of segment) {
    const digit = DIGITS.indexOf(character);
    value += (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    found.push(value & 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return found;
}
