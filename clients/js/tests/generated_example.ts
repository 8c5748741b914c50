// Made by `lovage client --lang ts` from release 1 of `basics` (digest a46ea50f67ec). Not to be edited.
import type { Int64, Task } from "@lovage/client";

/** The tasks of the module `basics`. */
export interface Basics {
  /** Adds two numbers: the smallest task there is. */
  add: Task<BasicsAdd, Int64>;
  /** Answers with as many bytes as it is asked for. */
  bytes: Task<BasicsBytes, Uint8Array>;
  /** Answers with what it was given. */
  echo: Task<BasicsEcho, unknown>;
  /**
   * Makes vectors of texts, as models do: many at a time, since to begin costs more than the texts
   * themselves.
   */
  embed: Task<BasicsEmbed, BasicsEmbedResult>;
  /** Fails, and says what to do next. */
  fail: Task<BasicsFail, null>;
  /** Adds up numbers, such as the results of a group. */
  sum: Task<BasicsSum, Int64>;
  /** Answers with all that a task knows of its job. */
  whoami: Task<BasicsWhoami, unknown>;
}

/** The arguments of `basics.add`. */
export interface BasicsAdd {
  a: Int64;
  b: Int64;
}

/** The arguments of `basics.bytes`. */
export interface BasicsBytes {
  length: number;
}

/** The arguments of `basics.echo`. */
export interface BasicsEcho {
  value: unknown;
}

/** A text of its own for each call of `embed`. */
export interface BasicsEmbed {
  text: string;
}

/** What `embed` answers: the text's vector, and how many texts were embedded with it. */
export interface BasicsEmbedResult {
  vector: number[];
  together: number;
}

/** The arguments of `basics.fail`. */
export interface BasicsFail {
  message: string;
  next?: BasicsFailNext | null | undefined;
}

/** What `fail` asks of the queue. */
export type BasicsFailNext = "now" | "after-second" | "never" | "policy";

/** The arguments of `basics.sum`. */
export interface BasicsSum {
  values: Int64[];
}

/** `basics.whoami` takes no arguments. */
export type BasicsWhoami = Record<string, never>;
