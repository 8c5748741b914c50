// Apart from the rest of the border: a component imports this interface only if its module reads values.

import * as store from "wasi:config/store@0.2.0-rc.1";
import { CallError } from "../failure.js";

export function get(key) {
  try {
    return store.get(key);
  } catch (error) {
    const text = error?.payload?.val;
    if (text === undefined) throw error;
    // That interface has no case of its own for it; the host says it first.
    throw new CallError(text.startsWith("denied: ") ? "denied" : "unavailable", text);
  }
}
