import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments } from "../src/arguments.js";
import { encode } from "../src/msgpack.js";

const crop = { type: "object", properties: { left: { type: "integer" } }, required: ["left"] };
const plan = {
  type: "object",
  properties: {
    image: { type: "string", $as: "bytes" },
    max_side: { type: "integer" },
    big: { type: "integer", $as: "bigint" },
    at: { type: "string", $as: "date" },
    mode: { type: "string", enum: ["fit", "fill"] },
    crops: { type: "array", items: { $ref: "#/$defs/Crop" } },
    either: { anyOf: [{ type: "number" }, { $ref: "#/$defs/Crop" }] },
    pair: { type: "array", prefixItems: [{ type: "string" }, { type: "boolean" }], items: false, minItems: 2 },
    note: { type: ["string", "null"] },
    named: { type: "object", additionalProperties: { type: "number" } },
  },
  required: ["image"],
  additionalProperties: false,
  $defs: { Crop: crop },
};
const image = new Uint8Array([1, 2]);
const read = (given) => readArguments("thumbnail", plan, encode(given));

function refused(given, said) {
  assert.throws(() => read({ image, ...given }), (failure) => {
    assert.equal(failure.kind, "argument");
    assert.deepEqual(failure.retry, { tag: "never" });
    assert.equal(failure.message, said);
    return true;
  });
}

test("values have the types of the language", () => {
  const given = {
    image, max_side: 3, big: 5, at: "2027-01-31T09:00:00Z", mode: "fit", crops: [{ left: 1, more: 2 }], either: { left: 1 },
    pair: ["a", true], note: null, named: { a: 2n ** 60n },
  };
  assert.deepEqual(read(given), { ...given, big: 5n, at: new Date(given.at), crops: [{ left: 1 }], named: { a: 2 ** 60 } });
  assert.deepEqual(read({ image: "Zm9v" }), { image: new Uint8Array([102, 111, 111]) });
  assert.deepEqual(read({ image: [0, 255] }), { image: new Uint8Array([0, 255]) });
  assert.equal(read({ image, big: -(2n ** 63n) }).big, -(2n ** 63n));
});

test("of several forms that fit, the one that keeps most is taken", () => {
  const object = (...names) => ({ type: "object", properties: Object.fromEntries(names.map((name) => [name, {}])), required: [] });
  const forms = { type: "object", properties: { it: { anyOf: [object("a"), object("a", "b"), object("c")] }, whole: { anyOf: [{ type: "number" }, { $as: "bigint" }] } }, required: [] };
  const read = (given) => readArguments("tidy", forms, encode(given));
  for (const it of [{ a: 1 }, { a: 1, b: 2 }, { c: 3 }]) assert.deepEqual(read({ it }), { it });
  for (const whole of [1, 0.5, 2n ** 63n - 1n]) assert.equal(read({ whole }).whole, whole);
});

test("a union that holds itself is read in no more steps than it has parts", () => {
  const node = (op) => ({ type: "object", properties: { left: { $ref: "#/$defs/Node" }, op: { const: op } }, required: ["op"] });
  const forms = { type: "object", properties: { it: { $ref: "#/$defs/Node" } }, required: [], $defs: { Node: { anyOf: [node("add"), node("times")] } } };
  let it = { op: "add" };
  for (let depth = 0; depth < 100; depth++) it = { left: it, op: "times" };
  assert.deepEqual(readArguments("tidy", forms, encode({ it })), { it });
});

test("`object` takes all that an object has", () => {
  const forms = { type: "object", properties: { it: { type: "object" } }, required: [] };
  assert.deepEqual(readArguments("tidy", forms, encode({ it: { a: 1 } })), { it: { a: 1 } });
});

test("a time is one of RFC 3339, with its zone", () => {
  assert.equal(read({ image, at: "2027-01-31T10:00:00.5+01:00" }).at.toISOString(), "2027-01-31T09:00:00.500Z");
  for (const at of ["1", "2027-01-31", "2027-01-31T09:00:00", "2027-13-31T09:00:00Z"]) {
    refused({ at }, `argument \`at\` of \`thumbnail\`: expected a time such as "2027-01-31T09:00:00Z", not the text ${JSON.stringify(at)}`);
  }
});

test("what does not fit is named by its place", () => {
  refused({ maxside: 1 }, "`thumbnail` has no argument `maxside`: its arguments are `image`, `max_side`, `big`, `at`, `mode`, `crops`, `either`, `pair`, `note`, `named`");
  refused({ max_side: "x" }, "argument `max_side` of `thumbnail`: expected a whole number that 53 bits hold, not the text \"x\"");
  refused({ max_side: 2n ** 60n }, `argument \`max_side\` of \`thumbnail\`: expected a whole number that 53 bits hold, not \`${2n ** 60n}\``);
  refused({ big: 1.5 }, "argument `big` of `thumbnail`: expected a whole number, not `1.5`");
  refused({ at: "soon" }, "argument `at` of `thumbnail`: expected a time such as \"2027-01-31T09:00:00Z\", not the text \"soon\"");
  refused({ mode: "cut" }, "argument `mode` of `thumbnail`: expected \"fit\" or \"fill\", not the text \"cut\"");
  refused({ crops: [{ left: 1 }, { left: null }] }, "argument `crops[1].left` of `thumbnail`: expected a whole number that 53 bits hold, not null");
  refused({ crops: [{}] }, "argument `crops[0]` of `thumbnail`: `left` is missing");
  refused({ either: { left: "x" } }, "argument `either.left` of `thumbnail`: expected a whole number that 53 bits hold, not the text \"x\"");
  refused({ pair: ["a"] }, "argument `pair` of `thumbnail`: a list of 1 has the wrong length");
  refused({ note: 1 }, "argument `note` of `thumbnail`: expected a text or null, not `1`");
  refused({ image: "no base64" }, "argument `image` of `thumbnail`: expected bytes, or a text in base64, not the text \"no base64\"");
});

test("a missing one is named", () => {
  assert.throws(() => read({}), { message: "argument `image` of `thumbnail` is missing" });
});

test("a broken input is refused", () => {
  const said = (bytes) => {
    try {
      return readArguments("tidy", { properties: {}, required: [], additionalProperties: false }, Uint8Array.from(bytes));
    } catch (failure) {
      return failure.message;
    }
  };
  assert.equal(said([]), "the input of `tidy` is no MessagePack: it ends too early");
  assert.equal(said([0x92, 1, 2]), "the input of `tidy` is no map of arguments");
  assert.equal(said([0x80, 0]), "the input of `tidy` is no MessagePack: it goes on after its value");
  assert.equal(said([0x81, 0xa1, 0x61, 1]), "`tidy` has no argument `a`: it has none");
});
