// Uses of the conformance modules' stubs, which are alike whatever the module is written in.

import { connect, type Int64, type Job } from "@lovage/client";
import type { Conformance } from "./conformance.js";

const tasks = connect<{ conformance: Conformance }>().conformance;

const right = async (): Promise<void> => {
  const job: Job<number> = await tasks.words({ text: "one two" });
  const count: number = await job.result();
  const blob: Uint8Array = await tasks.blob.result({ size: count });
  const value: string | null = await tasks.configured.result({ key: "greeting" });
  const ids: string[] = await tasks.children.result({ count: 2 });
  await tasks.echo({ value: [1, "a", null, blob, value, ids] });
  const types = await tasks.types.result({
    big: 1,
    blob,
    flag: true,
    items: [1, 2],
    maybe: null,
    named: { a: 1 },
    nested: { label: "x", inner: [{ n: 1 }] },
    real: 0.5,
    small: 3,
    text: "t",
  });
  const n: Int64 | undefined = types.nested.inner[0]?.n;
  const attempt: number = (await tasks.about.result()).attempt;
  await tasks.size({ blob: new Uint8Array([Number(n ?? 0), attempt]) });
};

const wrong = async (): Promise<void> => {
  // @ts-expect-error: an argument is missing
  await tasks.words();
  // @ts-expect-error: an argument of another type
  await tasks.words({ text: 1 });
  // @ts-expect-error: an argument that it does not take
  await tasks.words({ text: "x", others: 1 });
  // @ts-expect-error: a text where bytes belong
  await tasks.size({ blob: "x" });
  // @ts-expect-error: no such task
  await tasks.noSuchTask({});
  // @ts-expect-error: a result of another type
  const text: string = await tasks.words.result({ text: "x" });
  // @ts-expect-error: nothing that the result has
  (await tasks.about.result()).nothing;
  // @ts-expect-error: arguments of a task that takes none
  await tasks.empty({ text });
};

void [right, wrong];
