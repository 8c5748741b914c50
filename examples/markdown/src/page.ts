// A text's front matter, and the page around it.

import { Failure } from "@lovage/sdk";
import Mustache from "mustache";
import { parse } from "yaml";

/** Where the caller brings no template of their own. */
export const TEMPLATE = `<!doctype html>
<html lang="{{lang}}">
<head>
<meta charset="utf-8">
<title>{{title}}</title>
</head>
<body>
<h1>{{title}}</h1>
{{#author}}<p class="author">{{author}}</p>
{{/author}}
{{{body}}}</body>
</html>
`;

/** What stands before a text: values by name, and the rest. */
export interface Matter {
  values: Record<string, unknown>;
  text: string;
}

/** Splits a text that may begin with YAML between two lines of `---`. */
export function matter(source: string): Matter {
  const found = /^---\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(source);
  if (!found) return { values: {}, text: source };
  let values: unknown;
  try {
    // A few lines of aliases of aliases would else become millions of values.
    values = parse(found[1]!, { maxAliasCount: 10 });
  } catch (error) {
    throw new Failure(`the front matter is no YAML: ${(error as Error).message}`, { kind: "front-matter" }).neverRetry();
  }
  if (values === null || values === undefined) values = {};
  if (typeof values !== "object" || Array.isArray(values)) {
    throw new Failure("the front matter has no names", { kind: "front-matter" }).neverRetry();
  }
  return { values: values as Record<string, unknown>, text: source.slice(found[0].length) };
}

/** A template filled: `{{name}}` is escaped, `{{{body}}}` is not. */
export function filled(template: string, values: Record<string, unknown>): string {
  try {
    return Mustache.render(template, values);
  } catch (error) {
    throw new Failure(`the template is wrong: ${(error as Error).message}`, { kind: "template" }).neverRetry();
  }
}
