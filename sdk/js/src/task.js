// What `task(…)` makes of a function: the same function, with a note of its options that `serve` finds.

import { readOptions } from "./options.js";
import { taskName } from "./values.js";

/** Where a task keeps its options. A symbol of the registry, so that two copies of the SDK know each other's tasks. */
const TASK = Symbol.for("lovage.task");

/** Declares a task: an exported one of the module's entry file is what callers call. */
export function task(options, run) {
  if (typeof options === "function") return task({}, options);
  if (typeof run !== "function") throw new TypeError("`task` takes its options and a function: task({ retries: 3 }, (args) => …)");
  // A copy, since the note must not stand on a function that another task may share.
  const declared = (...args) => run(...args);
  let read;
  let wrong;
  try {
    read = readOptions(Object(options));
  } catch (error) {
    wrong = error;
  }
  // A build sets this, and asks again when it knows by what name the task is exported.
  if (wrong && !globalThis.LOVAGE_BUILD) throw new TypeError(`task \`${options.name ?? "…"}\`: ${wrong.message}`);
  Object.defineProperty(declared, TASK, { value: { read, wrong } });
  return declared;
}

/** The options as the contract has them of a task that is exported by this name; nothing where the value is no task. */
function declaredTask(exported, value) {
  const declared = typeof value === "function" ? value[TASK] : undefined;
  if (!declared) return undefined;
  if (declared.wrong) throw new TypeError(`task \`${exported}\`: ${declared.wrong.message}`);
  return { ...declared.read, name: declared.read.name ?? exported };
}

/** The module's tasks by name. A name that is said twice, or is none, is refused. */
export function tasksOf(module) {
  const tasks = new Map();
  for (const exported of Object.keys(module).sort()) {
    const declared = declaredTask(exported, module[exported]);
    if (!declared) continue;
    const { name } = declared;
    try {
      taskName(name);
    } catch (error) {
      const other = name.replace(/[A-Z]/g, (letter, at) => (at ? "_" : "") + letter.toLowerCase());
      throw new TypeError(`${error.message}: say another by an option, name: ${JSON.stringify(other)}`);
    }
    if (tasks.has(name)) throw new TypeError(`two tasks are named \`${name}\``);
    tasks.set(name, { ...declared, exported, run: module[exported] });
  }
  return tasks;
}
