// `node --import @lovage/sdk/register --test`: lets Node run TypeScript, its types taken away, also where it does not by
// itself.

import { register } from "node:module";

register("./loader.js", import.meta.url);
