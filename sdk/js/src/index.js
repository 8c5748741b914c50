// # Layout
//
// - `task`, `options`, `schedule`, `values`: declaring tasks
// - `failure`, `trace`: what went wrong, at the author's own lines
// - `context`, `jobs`, `config`, `wants`: what a task asks of its host, by `#host` and `#config`: the component's border
//   (`host/`) in the sandbox, `testing` everywhere else
// - `serve`, `arguments`, `msgpack`, `base64`: the component's exports, from the host's calls to the tasks
// - `../build.js`, `../build/`: from a project to a component

export { config } from "./config.js";
export { context } from "./context.js";
export { CallError, Failure } from "./failure.js";
export { enqueue, enqueueAll, enqueueFlow, source } from "./jobs.js";
export { task } from "./task.js";
export { wants } from "./wants.js";
