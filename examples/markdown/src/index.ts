// Markdown with front matter, into a page of HTML.

import { context, task } from "@lovage/sdk";
import { address, body } from "./body.js";
import { filled, matter, TEMPLATE } from "./page.js";

/** A picture, as `images.thumbnail` makes it. */
interface Picture {
  image: Uint8Array;
  /** @pattern ^(png|jpeg|gif|webp)$ */
  format: string;
}

interface Source {
  /** Markdown. Before it, between two lines of `---`, there may be YAML. */
  source: string;
  /** A Mustache template; `{{{body}}}` is where the text goes. */
  template?: string;
  /** What `![…](picture:1)` and so on stand for. */
  pictures?: Picture[];
}

function made({ source, template = TEMPLATE, pictures = [] }: Source): { title: string; html: string } {
  const { values, text } = matter(source);
  const heading = /^#\s+(.+?)\s*#*\s*$/m.exec(text)?.[1];
  const title = String(values.title ?? heading ?? "Untitled");
  context.progress(0.2, "read");
  const html = body(text, pictures.map(address));
  context.progress(0.8, "rendered");
  return { title, html: filled(template, { lang: "en", ...values, title, body: html }) };
}

/** Makes a page of HTML. */
export const render = task({ retries: 1, timeout: "30s" }, (args: Source) => made(args));

interface Named extends Source {
  /** @minLength 1 */
  name: string;
}

/** Makes a page that is a file, for those who take files. */
export const file = task({ retries: 1, timeout: "30s" }, ({ name, ...args }: Named) => ({
  name,
  content: new TextEncoder().encode(made(args).html),
}));
