/** What the type checker must let through, and what it must not: checked, never run. */
import { Client, type Int64, type Job, type Task, connect } from "@lovage/client";
import type { Basics } from "./generated_example.js";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => undefined;

export async function generated(): Promise<void> {
  const client = connect<{ basics: Basics; jobs: Basics }>();

  const added = await client.basics.add({ a: 1, b: 2n });
  same<typeof added, Job<Int64>>(true);
  const sum = await added.result();
  same<typeof sum, Int64>(true);
  const bytes = await client.basics.bytes.result({ length: 3 }, { within: "5s" });
  same<typeof bytes, Uint8Array>(true);
  await client.basics.whoami();
  await client.basics.fail({ message: "no", next: "never" }, { queue: "high" });
  const many = await client.basics.add.many([{ a: 1, b: 2 }]);
  same<typeof many, Job<Int64>[]>(true);
  const high = client.basics.embed.withOptions({ queue: "high" });
  same<typeof high, typeof client.basics.embed>(true);
  const byName = client.task("basics.add");
  same<typeof byName, Basics["add"]>(true);
  // A module of the name of a method is there by its name only.
  same<typeof client.jobs, Client<{ basics: Basics; jobs: Basics }>["jobs"]>(true);
  await client.task("jobs.add")({ a: 1, b: 2 });

  // @ts-expect-error: an argument is missing
  await client.basics.add({ a: 1 });
  // @ts-expect-error: all of them are
  await client.basics.add();
  // @ts-expect-error: an argument of another type
  await client.basics.add({ a: "1", b: 2 });
  // @ts-expect-error: an argument that it does not take
  await client.basics.add({ a: 1, b: 2, c: 3 });
  // @ts-expect-error: a task that takes no arguments
  await client.basics.whoami({ a: 1 });
  // @ts-expect-error: a word that it does not know
  await client.basics.fail({ message: "no", next: "soon" });
  // @ts-expect-error: one of many
  await client.basics.add.many([{ a: 1, b: 2 }, { a: 1 }]);
  // @ts-expect-error: no such option
  await client.basics.add({ a: 1, b: 2 }, { que: "high" });
  // @ts-expect-error: a time that might be a span
  await client.basics.add({ a: 1, b: 2 }, { eta: 10 });
  // @ts-expect-error: no such task
  await client.basics.subtract({ a: 1, b: 2 });
  // @ts-expect-error: no such module
  await client.images.thumbnail({});
  // @ts-expect-error: no task of that name
  client.task("basics.subtract");
  // @ts-expect-error: bytes are no text
  const text: string = await client.basics.bytes.result({ length: 3 });
  void text;
}

export async function untyped(): Promise<void> {
  const client = connect();
  const job = await client.images.thumbnail({ image: new Uint8Array(), max_side: 200 });
  same<typeof job, Job<unknown>>(true);
  const task = client.task("images.thumbnail");
  same<typeof task, Task>(true);
  const own = new Client().task("images.thumbnail") as Task<
    { image: Uint8Array },
    { width: number }
  >;
  same<Awaited<ReturnType<typeof own.result>>, { width: number }>(true);
  const enqueued = await client.enqueue<number>({ task: "m.t", args: { a: 1 } });
  same<typeof enqueued, Job<number>>(true);
}

class Mine extends Client<{ basics: Basics }> {
  add(a: number, b: number): Promise<Int64> {
    return this.task("basics.add").result({ a, b });
  }
}
same<Awaited<ReturnType<Mine["add"]>>, Int64>(true);
