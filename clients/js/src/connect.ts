/** A client whose modules and tasks are its properties. */
import { Client } from "./client.js";
import type { Settings } from "./settings.js";
import { type AnyModules, type Enqueuer, taskOf } from "./task.js";

/** Modules whose names are those of the client's own methods are reached by `client.task`. */
export type Connected<M extends object> = Client<M> & Omit<M, keyof Client>;

/** What modules and tasks may be called. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/**
 * A client of a server: `client.images.thumbnail({ image })` enqueues a job.
 *
 * Nothing is sent before it is used. Names are the module's own; `client["my-module"]` has
 * those that are no words of JavaScript.
 */
export function connect<M extends object = AnyModules>(settings: Settings = {}): Connected<M> {
  const client = new Client<M>(settings);
  const named = new Proxy(client, {
    get(target, name) {
      if (name in target) return Reflect.get(target, name, target);
      return isName(name) ? moduleOf(client, name) : undefined;
    },
  });
  return named as Connected<M>;
}

function moduleOf(client: Enqueuer, module: string): object {
  return new Proxy(Object.create(null) as object, {
    get: (_, name) => (isName(name) ? taskOf(client, `${module}.${name}`) : undefined),
  });
}

/** A `then` would make a promise of it in the eyes of `await`. */
function isName(name: string | symbol): name is string {
  return typeof name === "string" && name !== "then" && NAME.test(name);
}
