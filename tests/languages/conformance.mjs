// Calls a conformance module by the client for JavaScript: what must be exact is. Prints
// `true`, or ends with what is wrong.
//
//     conformance.mjs URL

import assert from "node:assert/strict";

import { connect, JobFailed } from "@lovage/client";

const client = connect({ url: process.argv[2] });
const { conformance } = client;
const call = async (task, args, options) => (await conformance[task](args, options)).result();

const types = {
  text: "Grüße, 世界 \u{1F409}\0",
  big: 2n ** 63n - 1n,
  small: -1,
  real: 0.1,
  flag: true,
  blob: Uint8Array.from({ length: 256 }, (_, n) => n),
  items: [0, 127, 128, 65535, -32769],
  named: { ä: 1, "": 2 },
  maybe: null,
  nested: { label: "deep", inner: [{ n: 1 }, { n: -2 }] },
};
assert.deepEqual(await call("types", types), types);
for (const big of [-(2n ** 63n), 2n ** 53n + 1n]) {
  assert.equal((await call("types", { ...types, big })).big, big);
}
assert.equal((await call("types", { ...types, big: -1 })).big, -1);
assert.equal(await call("empty", {}), null);
assert.equal(await call("size", { blob: new Uint8Array(1 << 20) }), 1 << 20);
assert.deepEqual(await call("blob", { size: 1 << 20 }), new Uint8Array(1 << 20).fill(7));
const deep = Array.from({ length: 40 }).reduce((value, _, n) => (n % 2 ? [value] : { in: value }), "bottom");
assert.deepEqual(await call("echo", { value: deep }), deep);

await assert.rejects(call("crash", {}, { retries: 0 }), (error) => {
  assert.ok(error instanceof JobFailed, String(error));
  assert.match(`${error.message} ${error.detail}`, /boom/);
  return true;
});
const { text, ...missing } = types;
await assert.rejects(call("types", missing), (error) => {
  assert.match(JSON.stringify(error.errors), /text/);
  return true;
});
console.log("true");
