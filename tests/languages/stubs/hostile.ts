// Uses of the stubs of a module whose author means no good.

import { connect, type Int64 } from "@lovage/client";
import type { Hostile } from "./hostile.js";

const tasks = connect<{ hostile: Hostile }>().hostile;

const right = async (): Promise<void> => {
  const needed = { "*/": "\\", 'a"];import os#': "x" } as const;
  const result = await tasks.go.result({ ...needed, d: "d", r: { __class__: "c", "x\ny": 1 } });
  const text: string | undefined = result.constructor;
  await tasks["a-b"]({ anything: text });
  const numbers: Int64[] = await tasks.a_b.result();
  await tasks.go({ ...needed, s: "text", t: Symbol(), u: numbers });
};

const wrong = async (): Promise<void> => {
  // @ts-expect-error: an argument is missing
  await tasks.go({ 'a"];import os#': "x" });
  // @ts-expect-error: a word that it does not know
  await tasks.go({ "*/": "\n", 'a"];import os#': "x" });
  // @ts-expect-error: an argument of another type
  await tasks.go({ "*/": "\\", 'a"];import os#': "x", s: 1 });
  // @ts-expect-error: a result of another type
  const number: number = await tasks.a_b.result();
  // @ts-expect-error: no such task
  await tasks["b-a"]({ number });
};

void [right, wrong];
