// From Markdown to HTML that is safe to show: whoever wrote the text, no script of theirs runs.

import MarkdownIt from "markdown-it";
import { FilterXSS } from "xss";

// Authors may write HTML between their Markdown; what of it may stay, the filter says.
const markdown = new MarkdownIt({ html: true, linkify: true, typographer: true });

// A page brings its pictures along. Of other addresses, those stay that run nothing.
const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+=*$/;
const SCHEMES = ["http", "https", "mailto", "picture"];

markdown.validateLink = (address) => {
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(address)?.[1];
  return scheme === undefined || SCHEMES.includes(scheme.toLowerCase()) || PICTURE.test(address);
};

const PLAIN =
  "blockquote br code dd del dl dt em h1 h2 h3 h4 h5 h6 hr ins kbd li mark ol p pre s strong sub sup table tbody thead tr ul";

const filter = new FilterXSS({
  whiteList: {
    ...Object.fromEntries(PLAIN.split(" ").map((tag) => [tag, []])),
    a: ["href", "title"],
    img: ["src", "alt", "title", "width", "height"],
    th: ["style", "colspan", "rowspan"],
    td: ["style", "colspan", "rowspan"],
  },
  css: { whiteList: { "text-align": true } },
  stripIgnoreTag: true,
  stripIgnoreTagBody: ["script", "style", "iframe", "object"],
  onTagAttr(tag, name, value) {
    // By itself it lets any picture pass, those too that are documents.
    if (!/^\s*data:/i.test(value)) return undefined;
    return tag === "img" && name === "src" && PICTURE.test(value) ? `src="${value}"` : "";
  },
});

/** The HTML of a text, in which `![…](picture:2)` is the second of some pictures. */
export function body(text: string, pictures: readonly string[]): string {
  const tokens = markdown.parse(text, {});
  for (const token of tokens.flatMap((it) => it.children ?? [])) {
    const place = token.type === "image" ? /^picture:(\d+)$/.exec(token.attrGet("src") ?? "") : null;
    if (place) token.attrSet("src", pictures[Number(place[1]) - 1] ?? "");
  }
  return filter.process(markdown.renderer.render(tokens, markdown.options, {}));
}

/** An address that holds a picture. */
export function address(picture: { image: Uint8Array; format: string }): string {
  const binary = Array.from(picture.image, (byte) => String.fromCharCode(byte)).join("");
  return `data:image/${picture.format};base64,${btoa(binary)}`;
}
