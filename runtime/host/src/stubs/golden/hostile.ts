// Made by `lovage client --lang ts` from release 7 of `hostile` (digest 7dad45742b50). Not to be edited.
import type { Int64, Task } from "@lovage/client";

/** The tasks of the module `hostile`. */
export interface Hostile {
  /**
   * *\/ alert(1); /* """ import os
   * \""" os.system('x') "
   * print(1) print(2)   txt
   */
  go: Task<HostileGo, HostileGoResult>;
  "a-b": Task<HostileAB, HostileABResult>;
  /** ends in a quote" */
  a_b: Task<HostileAB2, Int64[]>;
}

/** *\/ export const x = 1; /* */
export interface HostileGo {
  "*/": "\"]\nimport os\n[\"" | "\\" | "\u2028" | "'''\"\"\"" | "\u0000";
  /**
   * """
   * raise SystemExit
   */
  "a\"];import os#": string;
  d?: string;
  r?: HostileGoX1ImportOs;
  s?: HostileGo2;
  t?: unknown;
  u?: HostileGoSelf;
}

/**
 * a
 * import os
 * """
 */
export interface HostileGoX1ImportOs {
  __class__?: string;
  /**
   * #
   * import os
   */
  "x\ny"?: number;
}

/** b import os */
export type HostileGo2 = string;

export type HostileGoSelf = unknown;

export interface HostileGoResult {
  __proto__?: "`${x}`";
  constructor?: string;
}

/** The arguments of `hostile.a-b`. */
export type HostileAB = { [name: string]: unknown };

export interface HostileABResult {
  other?: string;
}

/** The arguments of `hostile.a_b`. */
export type HostileAB2 = { [name: string]: unknown };
