// The table by which a failure tells the author's own lines (`src/trace.js`), from the bundle's source map (revision 3).

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
