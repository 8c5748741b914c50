// What the module wants to reach beside the queue.

const all = new Set();

/** Says lines such as `http GET api.example.com` or `config smtp-host`: somebody approves them when the module is pushed. */
export function wants(...lines) {
  for (const line of lines) {
    if (typeof line !== "string" || line.trim() === "") throw new TypeError("`wants` takes lines such as \"config smtp-host\"");
    all.add(line);
  }
}

/** All lines, each once. */
export function wanted() {
  return [...all].sort();
}
