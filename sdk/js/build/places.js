// From places in the bundle to those in the sources, by its source map (revision 3): for what fails while the engine loads
// it, and as the table by which a failure tells the author's own lines (`src/trace.js`).

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** `names` has the sources' names; one that has none is left out, and its lines with it. All places count from 1. */
export function placesOf(mappings, names) {
  const lines = {};
  let [source, line, column] = [0, 0, 0];
  mappings.split(";").forEach((text, index) => {
    let at = 0;
    for (const segment of text.split(",")) {
      const [by, sources, rows, columns] = numbers(segment);
      if (by === undefined) continue;
      at += by;
      if (sources === undefined) continue;
      source += sources;
      line += rows;
      column += columns;
      if (names[source]) (lines[index + 1] ??= []).push([at + 1, source, line + 1, column + 1]);
    }
  });
  return { sources: names, lines };
}

/** The table, as it stands in the script: what a package's lines would take of memory is left out. Each line of the bundle is a
 * text, of which a failure reads those that its stack names: all of them would cost more than most tasks. */
export function tableOf({ sources, lines }) {
  const own = sources.map((it) => (it && !isPackage(it) ? it : null));
  const kept = Object.entries(lines).flatMap(([line, places]) => {
    const found = places.filter(([, source]) => own[source]);
    return found.length ? [[line, JSON.stringify(found)]] : [];
  });
  return JSON.stringify({ sources: own, lines: Object.fromEntries(kept) });
}

/** Where something of the bundle comes from. */
export function placeAt({ sources, lines }, line, column) {
  const found = lines[line]?.findLast(([at]) => at <= column);
  return found && { source: sources[found[1]], line: found[2] };
}

/** Whether a source is of an installed package. */
export function isPackage(source) {
  return /(^|\/)node_modules\//.test(source);
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
