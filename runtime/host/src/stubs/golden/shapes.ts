// Made by `lovage client --lang ts` from release 7 of `my-shapes` (digest 7dad45742b50). Not to be edited.
import type { Int64, Task } from "@lovage/client";

/** The tasks of the module `my-shapes`. */
export interface MyShapes {
  /** Takes one of each, and answers with it. */
  types: Task<MyShapesTypes, MyShapesTypesResult>;
  tree: Task<MyShapesTree, [string?, number?]>;
  /** Draws one of several. */
  draw: Task<MyShapesDraw, MyShapesDrawResult>;
  /** Takes what several schemas say together. */
  merged: Task<MyShapesMerged, MyShapesMergedResultLeft | MyShapesMergedResultRight>;
  /** Takes anything. */
  "open-ended": Task<MyShapesOpenEnded, MyShapesOpenEndedResult>;
  /** Takes what no type tells. */
  whatever: Task<MyShapesWhatever, never>;
  /** Is called as the stubs' own words are. */
  task: Task<MyShapesTask, null>;
  /** Is called as a keyword is. */
  import: Task<MyShapesImport, { [name: string]: unknown }>;
  /**
   * Begins with a digit.
   *
   * Its doc has paragraphs, the second of which is one long line that goes on and on until it has
   * to be broken somewhere.
   *
   * - and a list
   * - of two
   */
  "3d": Task<MyShapes3d, MyShapes3dResult>;
  /** Takes what depends on something else. */
  conditional: Task<MyShapesConditional, MyShapesConditionalResult>;
  /** Takes one of two, or both. */
  either: Task<MyShapesEither, MyShapesEitherResult>;
  /** Takes names of a pattern. */
  patterned: Task<MyShapesPatterned, MyShapesPatternedResultItem[]>;
  /** Has names that types have. */
  builtin: Task<MyShapesBuiltin, MyShapesBuiltinResult>;
}

/** The arguments of `my-shapes.types`. */
export interface MyShapesTypes {
  any?: unknown;
  big: Int64;
  blob: Uint8Array;
  bounded?: Int64;
  "content-type"?: string;
  count?: number;
  flag: boolean;
  from: string;
  items: number[];
  maybe?: string | null;
  named: { [name: string]: number };
  nested: MyShapesTypesNested;
  /** Another one. */
  own?: MyShapesTypesNested;
  pair: [string, number];
  place?: MyShapesTypesPlace;
  quiet?: boolean;
  real: number;
  rest?: [string?, ...number[]];
  small: number;
  tags?: (string | number)[];
  /** Any text. */
  text: string;
  unit?: "mm" | "inch";
}

/** A record in a record. */
export interface MyShapesTypesNested {
  inner: MyShapesTypesInner[];
  label: string;
}

export interface MyShapesTypesInner {
  /** A number. */
  n: number;
}

export interface MyShapesTypesPlace {
  x: number;
  y?: number;
}

/** A record in a record. */
export interface MyShapesTypesResult {
  inner: MyShapesTypesResultInner[];
  label: string;
}

export interface MyShapesTypesResultInner {
  /** A number. */
  n: number;
}

/** The arguments of `my-shapes.tree`. */
export interface MyShapesTree {
  root: MyShapesTreeTree;
  value?: MyShapesTreeJson;
}

export interface MyShapesTreeTree {
  children: MyShapesTreeTree[];
  up?: MyShapesTreeTree | null;
}

export type MyShapesTreeJson = boolean | number | string | MyShapesTreeJson[] | { [name: string]: MyShapesTreeJson } | null;

/** The arguments of `my-shapes.draw`. */
export interface MyShapesDraw {
  shape: MyShapesDrawShape;
}

/** What can be drawn. */
export type MyShapesDrawShape = MyShapesDrawShapeCircle | MyShapesDrawShapeSquare;

export interface MyShapesDrawShapeCircle {
  kind: "circle";
  radius: number;
}

export interface MyShapesDrawShapeSquare {
  class?: string;
  kind: "square";
  side: number;
}

/** What was drawn. */
export interface MyShapesDrawResult {
  gone?: "yes";
  next?: "again" | 1 | true | null;
  pixels: Uint8Array;
}

/** The arguments of `my-shapes.merged`. */
export interface MyShapesMerged {
  a: number;
  b: string;
}

export interface MyShapesMergedResultLeft {
  id: string;
  left: number;
}

export interface MyShapesMergedResultRight {
  id: string;
  right: string;
}

/** The arguments of `my-shapes.open-ended`. */
export interface MyShapesOpenEnded {
  known?: string;
  [name: string]: unknown;
}

export interface MyShapesOpenEndedResult {
  known?: number | null;
  [name: string]: unknown;
}

/** The arguments of `my-shapes.whatever`. */
export type MyShapesWhatever = { [name: string]: unknown };

/** `my-shapes.task` takes no arguments. */
export type MyShapesTask = Record<string, never>;

/** The arguments of `my-shapes.import`. */
export interface MyShapesImport {
  class: string;
  class_: string;
}

/** `my-shapes.3d` takes no arguments. */
export type MyShapes3d = Record<string, never>;

export interface MyShapes3dResult {
  x: number;
}

/** The arguments of `my-shapes.conditional`. */
export interface MyShapesConditional {
  address?: string;
  kind: "file" | "url";
  path?: string;
  tries?: number;
}

export interface MyShapesConditionalResult {
  a?: number;
  b?: MyShapesConditionalResultBase;
  kind: string;
}

export interface MyShapesConditionalResultBase {
  kind: string;
}

/** The arguments of `my-shapes.either`. */
export interface MyShapesEither {
  id: string;
  left?: number;
  right?: string;
  size?: unknown;
  unit?: string;
}

export interface MyShapesEitherResult {
  extra?: number;
  kind: string;
}

/** The arguments of `my-shapes.patterned`. */
export interface MyShapesPatterned {
  headers?: { [name: string]: string };
  known?: string;
  mixed?: MyShapesPatternedMixed;
  named?: MyShapesPatternedNamed;
  [name: string]: unknown;
}

export interface MyShapesPatternedMixed {
  a: number;
  [name: string]: unknown;
}

export interface MyShapesPatternedNamed {
  x?: number;
  y: unknown;
}

export interface MyShapesPatternedResultItem {
  a?: number;
  [name: string]: unknown;
}

/** The arguments of `my-shapes.builtin`. */
export interface MyShapesBuiltin {
  int: string;
  list?: MyShapesBuiltinList;
  str: number;
}

export interface MyShapesBuiltinList {
  int: string;
  list: number[];
  n?: number;
}

export type MyShapesBuiltinResult = null;
