// From types of TypeScript to JSON Schema (2020-12).
//
// Where the language has a type that JSON has not, a node is noted with it (`AS`): the schema that callers see is written
// without these notes, the component's plan for reading arguments with them.

import ts from "typescript";
import { bounds, description } from "./annotations.js";
import { Problem } from "./problem.js";

const AS = Symbol("as");
const DIALECT = "https://json-schema.org/draft/2020-12/schema";
const { TypeFlags } = ts;
const PRIMITIVE = TypeFlags.StringLike | TypeFlags.NumberLike | TypeFlags.BooleanLike | TypeFlags.BigIntLike;

/** Steps into a type. One that holds itself is a definition, so only one that grows forever takes more. */
const DEPTH = 64;

/** Types of the language that have a form of their own. */
const SPECIAL = {
  Uint8Array: { type: "string", contentEncoding: "base64", [AS]: "bytes" },
  Date: { type: "string", format: "date-time", [AS]: "date" },
};

/** What one might send, and cannot; and what to send instead. */
const UNSENDABLE = {
  Map: "a `Record<string, …>`",
  ReadonlyMap: "a `Record<string, …>`",
  Set: "an array",
  ReadonlySet: "an array",
  Buffer: "a `Uint8Array`",
  ArrayBuffer: "a `Uint8Array`",
  RegExp: "a `string`",
  Promise: "what it resolves to",
};

/** The schemas of one task. */
export class Schemas {
  #checker;
  #at;
  #task;
  #defs;
  #named;
  #open;
  #isResult;

  constructor(checker, at, task) {
    this.#checker = checker;
    this.#at = at;
    this.#task = task;
  }

  /** The arguments: the schema for callers, and the plan to read them by. A function that takes none has those of `object`. */
  input(type, takesAny) {
    this.#begin(false);
    if (type.flags & (TypeFlags.Any | TypeFlags.Unknown)) {
      throw this.#problem([], "its arguments have no type: write one, such as `(args: { name: string }) => …`");
    }
    if (!this.#isNamed(type) || (takesAny && type.flags & TypeFlags.NonPrimitive)) {
      const given = this.#checker.typeToString(type);
      throw this.#problem([], `its arguments are \`${given}\`: take one object that names them, such as \`(args: { name: string }) => …\``);
    }
    const named = this.#object(type, []);
    const schema = { $schema: DIALECT, type: "object", properties: {}, required: [], ...named };
    // What is no argument is refused; but a type may itself say that others are welcome.
    schema.additionalProperties ??= false;
    if (Object.keys(this.#defs).length) schema.$defs = this.#defs;
    const plan = JSON.parse(JSON.stringify(schema, (_, node) => (node?.[AS] ? { $as: node[AS] } : node)));
    return { input: JSON.stringify(schema), plan };
  }

  /** The result. */
  output(type) {
    this.#begin(true);
    const schema = { $schema: DIALECT, ...this.of(type, ["result"]) };
    if (Object.keys(this.#defs).length) schema.$defs = this.#defs;
    return JSON.stringify(schema);
  }

  /** A batched task answers for each call with a result or a `Failure`, which is none. */
  withoutFailure(type) {
    const parts = type.isUnion() ? type.types : [type];
    const results = parts.filter((it) => it.symbol?.name !== "Failure");
    return results.length === parts.length ? type : results;
  }

  /** The schema of a type, or of a union given by its parts. */
  of(type, path) {
    if (Array.isArray(type)) return this.#union(type, path);
    if (path.length > DEPTH) throw this.#problem(path.slice(0, 4), "its type goes on without end");
    // A name by which an author tells texts or numbers apart (`string & { brand: … }`) is none to a caller.
    const primitive = type.isIntersection() && type.types.find((it) => it.flags & PRIMITIVE);
    if (primitive) return type.aliasSymbol?.name === "Integer" ? { type: "integer" } : this.of(primitive, path);
    const { flags } = type;
    if (flags & (TypeFlags.Any | TypeFlags.Unknown)) return {};
    if (flags & (TypeFlags.Void | TypeFlags.Undefined | TypeFlags.Null)) return { type: "null" };
    if (flags & TypeFlags.Boolean) return { type: "boolean" };
    if (flags & TypeFlags.BigIntLike) return { type: "integer", format: "int64", [AS]: "bigint" };
    if (flags & TypeFlags.StringLiteral || flags & TypeFlags.NumberLiteral) return { const: type.value };
    if (flags & TypeFlags.BooleanLiteral) return { const: this.#checker.typeToString(type) === "true" };
    if (type.isUnion()) return this.#definable(type, undefined, () => this.#union(type.types, path));
    if (flags & TypeFlags.StringLike) return { type: "string" };
    if (flags & TypeFlags.NumberLike) return { type: "number" };
    if (flags & TypeFlags.Never) return { not: {} };
    if (flags & (TypeFlags.Object | TypeFlags.NonPrimitive) || type.isIntersection()) return this.#compound(type, path);
    throw this.#problem(path, `\`${this.#checker.typeToString(type)}\` has no place in JSON`);
  }

  #begin(isResult) {
    this.#defs = {};
    this.#named = new Map();
    this.#open = new Set();
    this.#isResult = isResult;
  }

  /** What its author named, and what holds itself, is a definition; all else stands where it is. */
  #definable(type, name, form) {
    if (!this.#named.has(type) && (name || this.#open.has(type))) {
      const unique = this.#free(name ?? definitionName(this.#checker, type) ?? "Type");
      this.#named.set(type, unique);
      // Its place, before what it holds.
      this.#defs[unique] = {};
      if (name) this.#defs[unique] = form();
    }
    const known = this.#named.get(type);
    if (known) return { $ref: `#/$defs/${known}` };
    this.#open.add(type);
    const made = form();
    this.#open.delete(type);
    const found = this.#named.get(type);
    if (!found) return made;
    this.#defs[found] = made;
    return { $ref: `#/$defs/${found}` };
  }

  /** Whether it is an object whose properties can be arguments. */
  #isNamed(type) {
    const { flags } = type;
    const isObject = flags & (TypeFlags.Object | TypeFlags.NonPrimitive) || type.isIntersection();
    const isOther = this.#checker.isArrayLikeType(type) || type.getCallSignatures().length > 0 || builtIn(type);
    return isObject && !isOther;
  }

  #union(types, path) {
    const parts = types.filter((it) => !(it.flags & TypeFlags.Undefined));
    // The two halves of `boolean` come apart in a union.
    const halves = parts.filter((it) => it.flags & TypeFlags.BooleanLiteral);
    const rest = halves.length === 2 ? parts.filter((it) => !halves.includes(it)) : parts;
    // All literals of `bigint` have one form.
    const big = rest.find((it) => it.flags & TypeFlags.BigIntLike);
    const forms = rest.filter((it) => it === big || !(it.flags & TypeFlags.BigIntLike)).map((it) => this.of(it, path));
    if (halves.length === 2) forms.push({ type: "boolean" });
    if (forms.length === 0) return parts.length < types.length ? { type: "null" } : { not: {} };
    const consts = forms.filter((it) => Object.hasOwn(it, "const"));
    const others = forms.filter((it) => !consts.includes(it));
    if (consts.length > 1) others.unshift(enumeration(consts.map((it) => it.const)));
    else others.unshift(...consts);
    if (others.length === 1) return others[0];
    const plain = others.every((it) => Object.keys(it).length === 1 && it.type);
    return plain ? { type: others.map((it) => it.type) } : { anyOf: others };
  }

  #compound(type, path) {
    const checker = this.#checker;
    const name = builtIn(type);
    if (name && Object.hasOwn(SPECIAL, name)) return SPECIAL[name];
    if (name && Object.hasOwn(UNSENDABLE, name)) throw this.#problem(path, `a \`${name}\` cannot be sent: take ${UNSENDABLE[name]}`);
    const json = this.#isResult && type.getProperty("toJSON");
    const answers = json ? checker.getTypeOfSymbolAtLocation(json, this.#at).getCallSignatures() : [];
    if (answers.length) return this.of(answers[0].getReturnType(), path);
    if (checker.isTupleType(type)) return this.#definable(type, undefined, () => this.#tuple(type, path));
    if (checker.isArrayType(type)) {
      const items = () => ({ type: "array", items: this.of(checker.getTypeArguments(type)[0], [...path, "[]"]) });
      return this.#definable(type, undefined, items);
    }
    if (type.flags & TypeFlags.NonPrimitive) return { type: "object" };
    if (type.getCallSignatures().length || type.getConstructSignatures().length) throw this.#problem(path, "a function cannot be sent");
    if (name && checker.getPropertiesOfType(type).some((it) => it.flags & ts.SymbolFlags.Method)) {
      throw this.#problem(path, `a \`${name}\` cannot be sent`);
    }
    const form = () => ({ ...description(checker, type.aliasSymbol ?? type.symbol), ...this.#object(type, path) });
    const own = definitionName(checker, type);
    return own ? this.#definable(type, own, form) : this.#definable(type, undefined, () => this.#object(type, path));
  }

  #object(type, path) {
    const checker = this.#checker;
    const schema = { type: "object" };
    const properties = {};
    const required = [];
    for (const property of checker.getPropertiesOfType(type)) {
      // By a symbol, which nobody can send: a brand.
      if (String(property.escapedName).startsWith("__@")) continue;
      const place = [...path, property.name];
      const held = checker.getTypeOfSymbolAtLocation(property, this.#at);
      const optional = property.flags & ts.SymbolFlags.Optional;
      const node = this.of(held, place);
      properties[property.name] = { ...node, ...description(checker, property), ...bounds(property, node, (said) => this.#problem(place, said)) };
      if (!optional) required.push(property.name);
    }
    if (Object.keys(properties).length) Object.assign(schema, { properties, required });
    const rest = this.#rest(type, path);
    if (rest) schema.additionalProperties = this.of(rest, [...path, "*"]);
    return schema;
  }

  /** The type of what is not named. */
  #rest(type, path) {
    const infos = this.#checker.getIndexInfosOfType(type).filter(({ keyType }) => !(keyType.flags & TypeFlags.ESSymbolLike));
    const isPlain = (key) => key.flags & (TypeFlags.String | TypeFlags.Number) || (key.isIntersection() && key.types.some(isPlain));
    if (!infos.every(({ keyType }) => isPlain(keyType))) {
      const given = this.#checker.typeToString(type);
      throw this.#problem(path, `the keys of \`${given}\` have a pattern, which cannot be told to callers: take a \`Record<string, …>\``);
    }
    // Where a key is a number to the author, it is a text to callers.
    return (infos.find(({ keyType }) => !(keyType.flags & TypeFlags.Number)) ?? infos[0])?.type;
  }

  #tuple(type, path) {
    const { minLength, hasRestElement, elementFlags } = type.target;
    const forms = this.#checker.getTypeArguments(type).map((it, index) => this.of(it, [...path, `[${index}]`]));
    const rest = elementFlags.findIndex((flag) => flag & ts.ElementFlags.Variable);
    if (rest >= 0 && rest < forms.length - 1) throw this.#problem(path, "a rest stands last in a tuple that is sent");
    const items = hasRestElement ? forms.pop() : false;
    return { type: "array", prefixItems: forms, items, minItems: minLength };
  }

  #free(name) {
    let free = name;
    for (let count = 2; Object.hasOwn(this.#defs, free); count++) free = `${name}${count}`;
    return free;
  }

  #problem(path, said) {
    const place = path.join(".").replaceAll(".[", "[");
    return new Problem(`task \`${this.#task}\`${place ? `, \`${place}\`` : ""}: ${said}`);
  }
}

/** One of some values; where all of them are text, or numbers, forms want to know. */
function enumeration(values) {
  const [type, ...others] = new Set(values.map((it) => typeof it));
  return others.length ? { enum: values } : { type, enum: values };
}

/** The name of a type of the language's own, or Node's: the author may have one of the same name. */
function builtIn(type) {
  const { name, declarations } = type.symbol ?? {};
  if (!declarations || name.startsWith("__")) return undefined;
  return declarations.every((it) => it.getSourceFile().hasNoDefaultLib || /\/@types\/node\//.test(it.getSourceFile().fileName)) ? name : undefined;
}

/** The name of a type that its author named, with those that it was made for: `Page_User` of `Page<User>`. */
function definitionName(checker, type) {
  const symbol = type.aliasSymbol ?? type.symbol;
  const generated = !symbol || symbol.name.startsWith("__") || symbol.flags & ts.SymbolFlags.TypeLiteral;
  if (generated || !symbol.declarations || symbol.declarations.some((it) => it.getSourceFile().hasNoDefaultLib)) return undefined;
  const parameters = type.aliasSymbol ? type.aliasTypeArguments : type.flags & TypeFlags.Object && checker.getTypeArguments(type);
  const words = [symbol.name, ...(parameters || []).map((it) => checker.typeToString(it))];
  // It is part of a URI, which has letters of ASCII.
  return words.map((it) => it.replace(/\W+/g, "_")).join("_");
}
