import assert from "node:assert/strict";
import { test } from "node:test";
import { openProject } from "../build/project.js";
import { readTypes } from "../build/types.js";
import { projectOf } from "./project.js";

/** The schemas of the one task `it` of an entry file. */
function typesOf(t, source, name = "src/index.ts") {
  const project = openProject(projectOf(t, { [name]: `import { Failure, task, type Integer } from "@lovage/sdk";\n${source}` }));
  const { doc, input, output, plan } = readTypes(project, [{ exported: "it", name: "it" }]).it;
  return { doc, input: JSON.parse(input), output: JSON.parse(output), plan };
}

/** The schema of one argument of a type. */
const argument = (t, type, before = "") =>
  typesOf(t, `${before}\nexport const it = task((args: { a: ${type} }) => null);`).input.properties.a;

test("types of the language", (t) => {
  const forms = [
    ["string", { type: "string" }],
    ["number", { type: "number" }],
    ["Integer", { type: "integer" }],
    ["bigint", { type: "integer", format: "int64" }],
    ["1n", { type: "integer", format: "int64" }],
    ["1n | 2n", { type: "integer", format: "int64" }],
    ["boolean", { type: "boolean" }],
    ["null", { type: "null" }],
    ["unknown", {}],
    ["Uint8Array", { type: "string", contentEncoding: "base64" }],
    ["Date", { type: "string", format: "date-time" }],
    ["string[]", { type: "array", items: { type: "string" } }],
    ["readonly Integer[]", { type: "array", items: { type: "integer" } }],
    ["[string, number?]", { type: "array", prefixItems: [{ type: "string" }, { type: "number" }], items: false, minItems: 1 }],
    ["[string, ...number[]]", { type: "array", prefixItems: [{ type: "string" }], items: { type: "number" }, minItems: 1 }],
    ["Record<number, boolean>", { type: "object", additionalProperties: { type: "boolean" } }],
    ["string & { readonly brand: 1 }", { type: "string" }],
    ["Record<string, boolean>", { type: "object", additionalProperties: { type: "boolean" } }],
    ["object", { type: "object" }],
    ["\"fit\"", { const: "fit" }],
    ["\"fit\" | \"fill\"", { type: "string", enum: ["fit", "fill"] }],
    ["1 | \"x\"", { enum: ["x", 1] }],
    ["string | null", { type: ["null", "string"] }],
    ["boolean | null", { type: ["null", "boolean"] }],
    ["Date | number", { anyOf: [{ type: "number" }, { type: "string", format: "date-time" }] }],
    ["{ x: number } & { y?: string }", { type: "object", properties: { x: { type: "number" }, y: { type: "string" } }, required: ["x"] }],
  ];
  for (const [type, expected] of forms) assert.deepEqual(sorted(argument(t, type)), sorted(expected), type);
});

/** The compiler orders a union's parts as it likes. */
const sorted = (schema) => JSON.parse(JSON.stringify(schema, (key, value) => (["type", "enum", "anyOf"].includes(key) && Array.isArray(value) ? [...value].sort() : value)));

test("types of the author are definitions", (t) => {
  const source = `
    /** A tree. */
    interface Tree {
      /** What it holds. */
      value: string;
      children: Tree[];
    }
    interface Page<T> { items: T[] }
    enum Level { Low, High }
    type Shape = { kind: "circle"; r: number } | { kind: "square"; a: number };
    interface Args { tree: Tree; page: Page<Tree>; level: Level; shape?: Shape }
    /** Does it.\n * @param ignored */
    export const it = task({ retries: 3 }, async ({ tree }: Args): Promise<Tree | undefined> => tree);`;
  const { doc, input, output } = typesOf(t, source);
  assert.equal(doc, "Does it.");
  assert.deepEqual(input.required, ["tree", "page", "level"]);
  assert.equal(input.additionalProperties, false);
  assert.deepEqual(input.properties.tree, { $ref: "#/$defs/Tree" });
  assert.deepEqual(input.properties.level, { type: "number", enum: [0, 1] });
  assert.deepEqual(input.properties.shape.anyOf[1].properties.kind, { const: "square" });
  assert.deepEqual(input.$defs.Page_Tree.properties.items, { type: "array", items: { $ref: "#/$defs/Tree" } });
  assert.deepEqual(output.$defs.Tree.properties, {
    value: { type: "string", description: "What it holds." },
    children: { type: "array", items: { $ref: "#/$defs/Tree" } },
  });
  assert.equal(output.$defs.Tree.description, "A tree.");
});

test("a type that holds itself is a definition, also without a name of its own", (t) => {
  const source = `
    type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
    type List = { rest: List } | null;
    interface Größe { is: Integer }
    export const it = task(({ json }: { json: Json; list?: List; size?: Größe }): Json[] => [json]);`;
  const { input, output } = typesOf(t, source);
  assert.deepEqual(input.properties.json, { $ref: "#/$defs/Json" });
  assert.deepEqual(input.$defs.Json.anyOf.find((it) => it.type === "array"), { type: "array", items: { $ref: "#/$defs/Json" } });
  assert.deepEqual(input.$defs.Type, { type: "object", properties: { rest: { anyOf: [{ type: "null" }, { $ref: "#/$defs/Type" }] } }, required: ["rest"] });
  // A reference is a URI.
  assert.deepEqual(input.properties.size, { $ref: "#/$defs/Gr_e" });
  assert.deepEqual([output.items, Object.keys(output.$defs)], [{ $ref: "#/$defs/Json" }, ["Json"]]);
  const endless = "interface Nest<T> { value: T; next?: Nest<T[]> }";
  assert.throws(() => argument(t, "Nest<string>", endless), { message: "task `it`, `a.next.next.next`: its type goes on without end" });
});

test("a result with `toJSON` is what that answers", (t) => {
  const source = "class Point { constructor(readonly x: number) {} toJSON() { return [this.x]; } }";
  const { output } = typesOf(t, `${source}\nexport const it = task(() => ({ at: new URL("http://a"), point: new Point(1) }));`);
  assert.deepEqual(output.properties, { at: { type: "string" }, point: { type: "array", items: { type: "number" } } });
});

test("doc comments bound and describe", (t) => {
  const { input } = typesOf(t, `
    export const it = task((args: {
      /** How large.
       * @minimum 1 @maximum 100 */
      side: Integer;
      /** @integer */
      count: number;
      /** @minLength 1
       * @pattern ^a */
      name: string;
      /** @maxItems 3
       * @deprecated */
      tags?: string[];
    }) => null);`);
  assert.deepEqual(input.properties, {
    side: { type: "integer", description: "How large.", minimum: 1, maximum: 100 },
    count: { type: "integer" },
    name: { type: "string", minLength: 1, pattern: "^a" },
    tags: { type: "array", items: { type: "string" }, maxItems: 3, deprecated: true },
  });
});

test("JavaScript has the same by JSDoc", (t) => {
  const project = openProject(projectOf(t, {
    "src/index.js": `import { task } from "@lovage/sdk";
      /** Greets. */
      export const it = task(
        /**
         * @param {object} args
         * @param {string} args.name - Whom to greet.
         * @param {import("@lovage/sdk").Integer} [args.times]
         */
        async ({ name, times = 1 }) => name.repeat(times));`,
  }));
  const { it } = readTypes(project, [{ exported: "it", name: "it" }]);
  const { properties, required } = JSON.parse(it.input);
  assert.equal(it.doc, "Greets.");
  assert.deepEqual(properties, { name: { type: "string", description: "Whom to greet." }, times: { type: "integer" } });
  assert.deepEqual(required, ["name"]);
  assert.equal(JSON.parse(it.output).type, "string");
});

test("a batched task is described by one of its calls", (t) => {
  const { input, output } = typesOf(t, `
    export const it = task({ batch: { max: 10, wait: "1s" } }, async (calls: { text: string }[]) =>
      calls.map(({ text }) => text ? text.length : new Failure("empty")));`);
  assert.deepEqual(input.properties, { text: { type: "string" } });
  assert.equal(output.type, "number");
  const failing = typesOf(t, "export const it = task({ batch: { max: 1, wait: \"1s\" } }, (calls: object[]) => calls.map(() => new Failure(\"no\")));");
  assert.deepEqual(failing.output.not, {});
});

test("the plan knows what the schema cannot say", (t) => {
  const { plan, input } = typesOf(t, "export const it = task((args: { blob: Uint8Array; big?: bigint }) => null);");
  assert.deepEqual(plan.properties, { blob: { $as: "bytes" }, big: { $as: "bigint" } });
  assert.equal(JSON.stringify(input).includes("$as"), false);
});

test("what cannot be sent is refused by its place", (t) => {
  const refused = (type, said) => assert.throws(() => argument(t, type), { message: `task \`it\`, \`a\`: ${said}` });
  refused("Map<string, number>", "a `Map` cannot be sent: take a `Record<string, …>`");
  refused("ReadonlySet<number>", "a `ReadonlySet` cannot be sent: take an array");
  refused("Float32Array", "a `Float32Array` cannot be sent");
  refused("() => void", "a function cannot be sent");
  refused("symbol", "`symbol` has no place in JSON");
  const pattern = (type) => `the keys of \`${type}\` have a pattern, which cannot be told to callers: take a \`Record<string, …>\``;
  refused("{ [k: `x-${string}`]: string }", pattern("{ [k: `x-${string}`]: string; }"));
  refused("Record<`x-${string}`, string>", pattern("Record<`x-${string}`, string>"));
  assert.throws(() => argument(t, "{ b: Set<string>[] }"), /task `it`, `a\.b\.\[\]`|task `it`, `a\.b\[\]`/);
  assert.throws(() => typesOf(t, "export const it = task((args: any) => null);"), /`it`: its arguments have no type/);
  for (const type of ["{ a: 1 } | { b: 2 }", "string[]", "Date", "() => void"]) {
    assert.throws(() => typesOf(t, `export const it = task((args: ${type}) => null);`), /`it`: its arguments are `.*`: take one object that names them/);
  }
  assert.throws(() => typesOf(t, "export const it = task((args: {\n/** @minimum x */\na: number }) => null);"), /`@minimum x` is no number/);
  assert.throws(() => typesOf(t, "export const it = task((args: {\n/** @pattern x */\na: number }) => null);"), /`@pattern` says nothing of number/);
});

test("a default may stand for all arguments", (t) => {
  const expected = { a: { type: "number" } };
  const properties = (task) => typesOf(t, `interface Page { a?: number }\nexport const it = ${task};`).input.properties;
  assert.deepEqual(properties("task(({ a = 3 }: { a?: number } = {}) => a)"), expected);
  assert.deepEqual(properties("task({ retries: 1 }, async (page: Page = {}) => page.a)"), expected);
  assert.deepEqual(properties("task(() => 1)"), {});
  for (const args of ["args: object", "args"]) {
    assert.throws(() => properties(`task((${args}) => 1)`), /`it`: its arguments are `object`: take one object that names them/);
  }
});

test("a brand by a symbol is none to a caller", (t) => {
  const brand = "declare const brand: unique symbol;\ntype Branded<T> = T & { readonly [brand]: 1 };";
  const { input } = typesOf(t, `${brand}\nexport const it = task((args: Branded<{ a: Branded<{ b: number }>; by: Record<Branded<string>, number> }>) => null);`);
  assert.deepEqual(input.required, ["a", "by"]);
  assert.deepEqual(Object.values(input.$defs)[0], { type: "object", properties: { b: { type: "number" } }, required: ["b"] });
  assert.deepEqual(input.properties.by, { type: "object", additionalProperties: { type: "number" } });
});

test("what does not hold is refused by its line", (t) => {
  const wrong = [
    ["export const it = task({ retry: 3 }, () => null);", /^src\/index\.ts:2:.*'retry' does not exist/s],
    ["export const it = task({ every: \"1m\", tz: \"UTC\" }, () => null);", /^src\/index\.ts:2:/],
    ["export const it = task({ timeout: \"30 seconds\" }, () => null);", /^src\/index\.ts:2:/],
    ["export const it = task((args: { a: string }) => args.b);", /^src\/index\.ts:2:.*Property 'b' does not exist/],
  ];
  for (const [source, message] of wrong) assert.throws(() => typesOf(t, source), { message });
});
