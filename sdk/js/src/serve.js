// The exports of the component: from the host's calls to the module's tasks. The build writes the few lines that hand it
// the module and what it learnt of its types.

import { readArguments } from "./arguments.js";
import { retain, runsAs } from "./batch.js";
import { failureRecord, refusal } from "./failure.js";
import { encode } from "./msgpack.js";
import { tasksOf } from "./task.js";
import { wanted } from "./wants.js";

/** `types` has, by the name of the export, what the build knows of each task. */
export function serve(module, types) {
  const tasks = tasksOf(module);
  for (const task of tasks.values()) task.types = types[task.exported];
  return {
    handler: {
      describe: () => [...tasks.values()].map(describe),
      // A task that waits for nothing is answered at once: the promises on the way cost a fifth of an attempt.
      run(name, input) {
        const task = tasks.get(name);
        if (!task || task.batch) return answers(tasks, name, [input]).then(([answer]) => told(answer));
        const answer = alone(task, input);
        return answer instanceof Promise ? answer.then(told) : told(answer);
      },
    },
    batches: {
      describe: () =>
        [...tasks.values()].flatMap(({ name, batch }) => (batch ? [{ task: name, ...batch }] : [])),
      run(name, calls) {
        runsAs(calls.map(({ input, ...call }) => call));
        return answers(tasks, name, calls.map((call) => call.input));
      },
    },
    wants: { wants: wanted },
  };
}

function describe({ name, types, options, schedules }) {
  return { name, doc: types.doc, inputSchema: types.input, outputSchema: types.output, options, schedules };
}

/** An answer for each input, in their order. */
async function answers(tasks, name, inputs) {
  const task = tasks.get(name);
  if (!task) {
    const names = [...tasks.keys()].join("`, `");
    const unknown = refusal("unknown-task", `this module has no task \`${name}\`: its tasks are \`${names}\``);
    return inputs.map(() => failed(unknown));
  }
  if (task.batch) return together(task, inputs);
  const all = [];
  for (const input of inputs) all.push(await alone(task, input));
  return all;
}

/** What is thrown, and is no error, is the failure of the contract's result. */
function told(answer) {
  if (answer.tag === "err") throw answer.val;
  return answer.val;
}

/** An answer, or the promise of one where the task makes one. */
function alone(task, input) {
  const threw = (thrown) => failed(notExhausted(thrown));
  try {
    const result = task.run(readArguments(task.name, task.types.plan, input));
    return typeof result?.then === "function" ? Promise.resolve(result).then(done).catch(threw) : done(result);
  } catch (thrown) {
    return threw(thrown);
  }
}

/** One run of many calls. One whose arguments do not fit fails by itself, and is kept from the task. */
async function together(task, inputs) {
  const refused = new Map();
  const calls = [];
  const taken = [];
  inputs.forEach((input, index) => {
    try {
      calls.push(readArguments(task.name, task.types.plan, input));
      taken.push(index);
    } catch (failure) {
      refused.set(index, failed(failure));
    }
  });
  retain(taken);
  let results = [];
  try {
    if (calls.length) results = await task.run(calls);
    if (!Array.isArray(results) || results.length !== calls.length) {
      throw refusal("result", `\`${task.name}\` returned ${results?.length ?? "no"} results for ${calls.length} calls`);
    }
  } catch (thrown) {
    notExhausted(thrown);
    return inputs.map((_, index) => refused.get(index) ?? failed(thrown));
  }
  const next = results[Symbol.iterator]();
  return inputs.map((_, index) => refused.get(index) ?? done(next.next().value));
}

/** The engine throws this text, and no error, where the sandbox has no more memory. Out of here an error is a trap, so the
 * host sees it for what it is: it is tried again only by `retryExhausted`. */
function notExhausted(thrown) {
  if (thrown === "out of memory") throw new RangeError(thrown);
  return thrown;
}

/** What is returned as a failure, as a batch does for one of its calls, is one. */
function done(result) {
  if (result instanceof Error) return failed(result);
  try {
    return { tag: "ok", val: encode(result) };
  } catch (error) {
    return failed(refusal("result", `the result cannot be encoded: ${error.message}`));
  }
}

function failed(thrown) {
  return { tag: "err", val: failureRecord(thrown) };
}
