import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "@lovage/sdk";
import { TestJob } from "@lovage/sdk/testing";
import { file, render } from "../src/index.js";

const BODY = "{{{body}}}";

async function html(source: string, pictures?: { image: Uint8Array; format: string }[]): Promise<string> {
  const made = await new TestJob().run(() => render({ source, template: BODY, pictures }));
  return made.html;
}

test("front matter and the template make a page", async () => {
  const job = new TestJob();
  const source = "---\ntitle: Herbs & more\nauthor: Ann\n---\n*Lovage* grows.\n";
  const page = await job.run(() => render({ source }));
  assert.equal(page.title, "Herbs & more");
  assert.match(page.html, /^<!doctype html>\n<html lang="en">/);
  assert.match(page.html, /<h1>Herbs &amp; more<\/h1>\n<p class="author">Ann<\/p>\n/);
  assert.match(page.html, /<p><em>Lovage<\/em> grows\.<\/p>\n<\/body>/);
  assert.deepEqual(job.progress.map((it) => it.message), ["read", "rendered"]);
});

test("a text without front matter takes its title from its heading", async () => {
  const page = await new TestJob().run(() => render({ source: "# Herbs #\n\ntext" }));
  assert.equal(page.title, "Herbs");
});

test("tables keep their alignment, and links their schemes", async () => {
  const table = await html("| a | b |\n|---|--:|\n| 1 | 2 |\n");
  assert.match(table, /<td style="text-align:right;?">2<\/td>/);
  assert.equal(await html("[a](https://a.example/?x=1&y=2)"), '<p><a href="https://a.example/?x=1&amp;y=2">a</a></p>\n');
});

test("no script of an author's is left", async () => {
  for (const source of [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="&#106;avascript:alert(1)">x</a>',
    "<svg><script>alert(1)</script></svg>",
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    '<p style="background:url(javascript:alert(1))">x</p>',
    "![x](data:text/html;base64,PHNjcmlwdD4=)",
    '<img src="data:image/svg+xml;base64,PHN2Zz4=">',
  ]) {
    const made = await html(source);
    assert.doesNotMatch(made, /<script|<svg|<iframe|<[^>]*\son\w+=|(href|src)="\s*(javascript|data:)|style=/i, source);
  }
});

test("pictures come along", async () => {
  const pictures = [{ image: Uint8Array.of(1, 2, 3), format: "png" }];
  assert.equal(
    await html("![one](picture:1)", pictures),
    '<p><img src="data:image/png;base64,AQID" alt="one"></p>\n',
  );
});

test("a file is the page's bytes", async () => {
  const made = await new TestJob().run(() => file({ name: "a.html", source: "ü", template: BODY }));
  assert.equal(made.name, "a.html");
  assert.equal(new TextDecoder().decode(made.content), "<p>ü</p>\n");
});

test("what is wrong is told, and not tried again", async () => {
  const wrong: [string, object][] = [
    ["front-matter", { source: "---\na: [\n---\n" }],
    ["front-matter", { source: "---\n- a\n---\n" }],
    ["template", { source: "", template: "{{#a}}" }],
  ];
  for (const [kind, args] of wrong) {
    const failed = async () => new TestJob().run(() => render(args as { source: string }));
    await assert.rejects(failed, (error) => {
      assert.ok(error instanceof Failure);
      assert.deepEqual([error.kind, error.retry.tag], [kind, "never"]);
      return true;
    });
  }
});
