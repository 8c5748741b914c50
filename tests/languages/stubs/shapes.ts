// Uses of the stubs of schemas of every shape.

import { connect, type Int64 } from "@lovage/client";
import type {
  MyShapes,
  MyShapesMergedResultLeft,
  MyShapesMergedResultRight,
  MyShapesTypes,
} from "./my-shapes.js";

const tasks = connect<{ "my-shapes": MyShapes }>()["my-shapes"];

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => undefined;

const needed: MyShapesTypes = {
  text: "t",
  big: 2n ** 63n,
  small: 1,
  real: 1,
  flag: false,
  blob: new Uint8Array(),
  items: [],
  named: { a: 1 },
  nested: { label: "l", inner: [{ n: 1 }] },
  pair: ["a", 1],
  from: "2026-01-01T00:00:00Z",
};

const right = async (): Promise<void> => {
  const nested = await tasks.types.result(needed);
  await tasks.types({
    ...needed,
    any: Symbol(),
    bounded: 2n ** 64n - 1n,
    "content-type": "text/plain",
    maybe: null,
    own: nested,
    place: { x: 1.5 },
    rest: ["a", 1.5],
    tags: ["a", 1],
    unit: "inch",
  });
  // Where nothing says how many there are at least, there may be none.
  await tasks.types({ ...needed, rest: [] });
  await tasks.tree({ root: { children: [{ children: [] }], up: null }, value: [null, { a: [1.5] }] });
  const pair = await tasks.tree.result({ root: { children: [] } });
  same<typeof pair, [string?, number?]>(true);
  const drawn = await tasks.draw.result({ shape: { kind: "square", side: 1, class: "c" } });
  same<typeof drawn.pixels, Uint8Array>(true);
  const merged = await tasks.merged.result({ a: 1, b: "b" });
  same<typeof merged, MyShapesMergedResultLeft | MyShapesMergedResultRight>(true);
  await tasks["open-ended"]({ known: "a", other: 1 });
  await tasks.whatever({ a: 1, b: [drawn] });
  const nothing = await tasks.task.result();
  same<typeof nothing, null>(true);
  await tasks.import({ class: "class", class_: "class_" });
  const x: number = (await tasks["3d"].result()).x;
  // What only some values have may be there.
  await tasks.conditional({ kind: "file", path: "p" });
  await tasks.conditional({ kind: "url", address: "a", tries: x });
  const met = await tasks.conditional.result({ kind: "url" });
  same<typeof met.kind, string>(true);
  same<typeof met.a, number | undefined>(true);
  await tasks.either({ id: "a", left: 1 });
  await tasks.either({ id: "a", right: "b", size: 1, unit: "mm" });
  const both = await tasks.either.result({ id: "a", left: 1 });
  same<typeof both.kind, string>(true);
  same<typeof both.extra, number | undefined>(true);
  // What is named by a pattern alone may have any name.
  await tasks.patterned({ known: "k", headers: { "x-a": "1" }, "x-b": 2 });
  await tasks.patterned({ mixed: { a: 1, "x-b": [null] }, named: { y: Symbol() } });
  const first: unknown = (await tasks.patterned.result())[0]?.["x-a"];
  void first;
  await tasks.builtin({ int: "i", str: 1, list: { int: "i", list: [1, 2], n: 3 } });
  const big: Int64 = needed.big;
  void big;
};

const wrong = async (): Promise<void> => {
  // @ts-expect-error: an argument is missing
  await tasks.merged({ a: 1 });
  // @ts-expect-error: an argument of another type
  await tasks.merged({ a: "1", b: "b" });
  // @ts-expect-error: an argument that it does not take
  await tasks.merged({ a: 1, b: "b", c: 1 });
  // @ts-expect-error: all of them are missing
  await tasks.merged();
  // @ts-expect-error: a task that takes no arguments
  await tasks.task({ a: 1 });
  // @ts-expect-error: an argument of another type, beside those of any name
  await tasks["open-ended"]({ known: 1 });
  // @ts-expect-error: no such task
  await tasks.nothing();
  // @ts-expect-error: one of several, without what it has
  await tasks.draw({ shape: { kind: "circle" } });
  // @ts-expect-error: none of several
  await tasks.draw({ shape: { kind: "round", radius: 1 } });
  // @ts-expect-error: deep within
  await tasks.tree({ root: { children: [1] } });
  // @ts-expect-error: too few
  await tasks.types({ ...needed, pair: ["a"] });
  // @ts-expect-error: too many
  await tasks.types({ ...needed, pair: ["a", 1, 2] });
  // @ts-expect-error: a word that it does not know
  await tasks.types({ ...needed, unit: "cm" });
  // @ts-expect-error: what all values have is missing
  await tasks.conditional({ path: "p" });
  // @ts-expect-error: what some values have is of another type
  await tasks.conditional({ kind: "file", path: 1 });
  // @ts-expect-error: what one of several has is of another type
  await tasks.either({ id: "a", left: "b" });
  // @ts-expect-error: what none of them has
  await tasks.either({ id: "a", middle: 1 });
  // @ts-expect-error: a value of a name of the pattern
  await tasks.patterned({ headers: { "x-a": 1 } });
  // @ts-expect-error: what must be there, though nothing else is said of it
  await tasks.patterned({ named: { x: 1 } });
  // @ts-expect-error: names of types are but names
  await tasks.builtin({ int: 1, str: 1 });
  // @ts-expect-error: a result of another type
  const text: string = await tasks.tree.result({ root: { children: [] } });
  void text;
};

void [right, wrong];
