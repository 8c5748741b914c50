// # Layout
//
// - `task`, `options`, `schedule`, `values`: declaring tasks
// - `failure`, `trace`: what went wrong, at the author's own lines
// - `context`, `jobs`, `config`, `bucket`, `sql`, `wants`: what a task asks of its host, by `#host`, `#config` and so on: the
//   component's border (`host/`) in the sandbox, `testing` everywhere else
// - `nofetch`: what stands in for `fetch` where the module wants no host
// - `serve`, `arguments`, `msgpack`, `base64`: the component's exports, from the host's calls to the tasks
// - `../build.js`, `../build/`: from a project to a component

export { Bucket } from "./bucket.js";
export { config } from "./config.js";
export { context } from "./context.js";
export { CallError, Failure, SqlError } from "./failure.js";
export { enqueue, enqueueAll, enqueueFlow, source } from "./jobs.js";
export { sql } from "./sql.js";
export { task } from "./task.js";
export { wants } from "./wants.js";
