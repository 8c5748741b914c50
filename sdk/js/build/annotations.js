// What doc comments say of a schema: a description, and bounds such as `@minimum 1`.

import ts from "typescript";

/** The tags that bound a value, and the types of JSON Schema that they bound. */
const NUMBERS = { minimum: 1, maximum: 1, exclusiveMinimum: 1, exclusiveMaximum: 1, multipleOf: 1 };
const LENGTHS = { minLength: "string", maxLength: "string", minItems: "array", maxItems: "array" };
const TEXTS = { pattern: 1, format: 1 };

/** The text of the doc comment, if there is one. */
export function description(checker, symbol) {
  const text = ts.displayPartsToString(symbol?.getDocumentationComment(checker)).trim();
  // Of JSDoc's `@param {string} args.name - Whom to greet.` the dash is no part.
  return text ? { description: text.replace(/^- /, "") } : {};
}

/** What the tags of a property say of its value. A wrong one is what `problem` makes of it. */
export function bounds(property, schema, problem) {
  const found = {};
  for (const tag of property.getJsDocTags()) {
    const text = ts.displayPartsToString(tag.text).trim();
    const { name } = tag;
    const types = [schema.type].flat();
    const fits = (...wanted) => {
      if (!wanted.some((it) => types.includes(it))) throw problem(`\`@${name}\` says nothing of ${types.join(" or ") || "this type"}`);
    };
    if (name === "deprecated") found.deprecated = true;
    else if (name === "integer") {
      fits("number", "integer");
      found.type = schema.type === "number" ? "integer" : types.map((it) => (it === "number" ? "integer" : it));
    } else if (Object.hasOwn(NUMBERS, name)) {
      fits("number", "integer");
      found[name] = number(text, name, problem);
    } else if (Object.hasOwn(LENGTHS, name)) {
      fits(LENGTHS[name]);
      found[name] = number(text, name, problem);
    } else if (Object.hasOwn(TEXTS, name)) {
      fits("string");
      found[name] = text;
    }
  }
  return found;
}

function number(text, name, problem) {
  const value = Number(text);
  if (text === "" || !Number.isFinite(value)) throw problem(`\`@${name} ${text}\` is no number`);
  return value;
}
