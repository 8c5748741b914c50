import assert from "node:assert/strict";
import { test } from "node:test";
import { readOptions } from "../src/options.js";
import { task } from "../src/task.js";

test("every option", () => {
  const { name, options, batch, schedules } = readOptions({
    name: "make-thumbnail", queue: "media", priority: 7, retries: 3, backoff: { base: "1s", factor: 2, max: "1m" },
    maxAge: "1h", retryExhausted: true, timeout: "30s", softTimeout: "25s", expires: "10m", resultTtl: "1d",
    unique: "done", onConflict: "replace", fuel: 10_000_000, memory: "64MiB", rate: "100/1m", concurrency: 4,
    batch: { max: 100, wait: "50ms" }, cron: "0 9 * * MON-FRI", tz: "Europe/Berlin", jitter: "10s", catchUp: 3, overlap: "skip",
  });
  assert.equal(name, "make-thumbnail");
  assert.deepEqual(options, {
    queue: "media", priority: 7, maxAttempts: 4, backoff: { baseMs: 1000n, factor: 2, maxMs: 60_000n },
    maxAgeMs: 3_600_000n, retryExhausted: true, timeoutMs: 30_000n, softTimeoutMs: 25_000n, expiryMs: 600_000n,
    resultTtlMs: 86_400_000n, fuel: 10_000_000n, memory: 67_108_864n, rate: { count: 100, periodMs: 60_000n }, concurrency: 4,
    unique: { until: { tag: "done" }, conflict: "replace" },
  });
  assert.deepEqual(batch, { max: 100, waitMs: 50n });
  assert.deepEqual(schedules, [{
    trigger: { tag: "cron", val: "0 9 * * MON-FRI" }, zone: "Europe/Berlin", jitterMs: 10_000n,
    catchUp: { tag: "all", val: 3 }, overlap: "skip",
  }]);
});

test("what is left out is the host's default", () => {
  assert.deepEqual(readOptions({}), { name: undefined, options: {}, batch: undefined, schedules: [] });
  const { backoff } = readOptions({ backoff: "2h" }).options;
  assert.deepEqual(backoff, { baseMs: 7_200_000n, factor: 3, maxMs: 7_200_000n });
  assert.deepEqual(readOptions({ unique: "5m" }).options.unique, { until: { tag: "for-ms", val: 300_000n }, conflict: "existing" });
  assert.deepEqual(readOptions({ every: "1m" }).schedules[0].catchUp, { tag: "last" });
});

test("a wrong one is refused by its name", () => {
  const wrong = [
    [{ retry: 3 }, /no option `retry`: the options are name, queue, .*overlap/],
    [{ timeout: "30 seconds" }, /option `timeout`: `30 seconds` is not a duration: write/],
    [{ timeout: 30 }, /option `timeout`: `30` is not a duration/],
    [{ timeout: NaN }, /option `timeout`: `NaN` is not a duration/],
    [{ expires: "0s" }, /option `expires`/],
    [{ priority: 10 }, /option `priority`: `10` is not a whole number from 0 to 9/],
    [{ priority: 1.5 }, /`1.5` is not a whole number/],
    [{ memory: "64MB" }, /option `memory`: `64MB` is not a size/],
    [{ rate: "5/sec" }, /option `rate`: `5\/sec` is not a rate/],
    [{ rate: "0/1m" }, /is not a rate/],
    [{ unique: "always" }, /option `unique`: `always` is not what/],
    [{ unique: "done", onConflict: "ignore" }, /"existing" or "reject" or "replace"/],
    [{ onConflict: "reject" }, /`onConflict` says nothing without `unique`/],
    [{ retryExhausted: 1 }, /is not true or false/],
    [{ queue: "" }, /option `queue`/],
    [{ name: "Make" }, /`Make` is no task name/],
    [{ backoff: { factor: 0.5 } }, /a number from 1/],
    [{ backoff: { base: "2m", max: "1m" } }, /at least its `base`/],
    [{ backoff: { start: "1s" } }, /no option `start`/],
    [{ batch: { max: 0, wait: "1s" } }, /option `batch`: `0` is not/],
    [{ batch: { max: 1, wait: "2m" } }, /a minute at most/],
    [{ tz: "UTC" }, /`tz` says nothing without `every` or `cron`/],
    [{ every: "1m", cron: "@daily" }, /not both/],
    [{ every: "1m", tz: "UTC" }, /counts from the epoch/],
    [{ every: "10ms" }, /once a second/],
    [{ cron: "0 9" }, /no cron line/],
    [{ every: "1m", catchUp: 0 }, /from 1 to 1000/],
    [{ every: "1m", overlap: "wait" }, /option `overlap`/],
  ];
  for (const [options, said] of wrong) assert.throws(() => readOptions(options), said);
});

test("a declaration says it at once", () => {
  assert.throws(() => task({ name: "mail", retry: 3 }, () => null), /^TypeError: task `mail`: no option `retry`/);
  assert.throws(() => task({ retries: 3 }), /takes its options and a function/);
});
