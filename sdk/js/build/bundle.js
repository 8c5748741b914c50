// From the entry file to one script, by esbuild: for the component, and for Node, which asks it for its tasks first.

import { realpathSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { placesOf, tableOf } from "./places.js";
import { Problem } from "./problem.js";

/** The SDK's own folder. */
export const SDK = dirname(dirname(fileURLToPath(import.meta.url)));

/** The host's interfaces stay imports, and fall away where nothing uses them. */
const HOST = {
  name: "host",
  setup(build) {
    build.onResolve({ filter: /^(lovage|wasi):/ }, ({ path }) => ({ path, external: true, sideEffects: false }));
  },
};

/** `@lovage/sdk` is this one, wherever the project has another. */
const OWN = {
  name: "own",
  setup(build) {
    build.onResolve({ filter: /^@lovage\/sdk$/ }, () => ({ path: join(SDK, "src/index.js"), sideEffects: false }));
    build.onResolve({ filter: /^@lovage\/sdk\/testing$/ }, ({ importer }) => ({
      errors: [{ text: `\`${importer}\` is part of the module, and imports \`@lovage/sdk/testing\`, which is for tests alone` }],
    }));
  },
};

/** The script that serves the module, and its places, whose sources are named as the author knows them. */
export async function bundleForComponent(project, types, shape) {
  const exports = ["handler", shape.batched && "batches", shape.wants.length && "wants"].filter(Boolean);
  const before = shape.http ? "" : `import ${JSON.stringify(`${SDK}/src/nofetch.js`)};`;
  const script = `
    ${before}
    import * as module from ${JSON.stringify(project.entry)};
    import { serve } from ${JSON.stringify(`${SDK}/src/serve.js`)};
    export const { ${exports.join(", ")} } = serve(module, ${JSON.stringify(types)});`;
  const { code, map, imports } = await run(project, script, {
    conditions: ["lovage", "import", "default"],
    platform: "neutral",
    sourcemap: "external",
    sourcesContent: false,
  });
  const { sources, mappings } = JSON.parse(map);
  const places = placesOf(mappings, sources.map((source) => nameOf(source, project.root)));
  // Behind all else, so that no line moves.
  const behind = `globalThis[Symbol.for("lovage.places")] = ${tableOf(places)};\n`;
  return { code: code + behind, imports, places };
}

/** The script that Node runs to learn of the module's tasks. */
export async function bundleForNode(project) {
  const script = `
    import * as module from ${JSON.stringify(project.entry)};
    import { tasksOf } from ${JSON.stringify(`${SDK}/src/task.js`)};
    import { wanted } from ${JSON.stringify(`${SDK}/src/wants.js`)};
    export const describe = () => ({ tasks: [...tasksOf(module).values()], wants: wanted() });`;
  return run(project, script, {
    conditions: ["import", "default"],
    platform: "neutral",
    external: ["node:async_hooks"],
    sourcemap: "inline",
    sourcesContent: false,
    sourceRoot: `${pathToFileURL(project.root)}/`,
  });
}

async function run(project, contents, options) {
  const result = await build({
    stdin: { contents, resolveDir: project.root, sourcefile: "lovage:entry" },
    absWorkingDir: project.root,
    outfile: "module.js",
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "es2022",
    mainFields: ["module", "main"],
    define: { "globalThis.LOVAGE_BUILD": "true" },
    plugins: [HOST, OWN],
    logLevel: "silent",
    ...options,
  }).catch((error) => {
    throw new Problem(...(error.errors ?? [{ text: error.message }]).map(told));
  });
  const file = (end) => result.outputFiles.find((it) => it.path.endsWith(end))?.text;
  const [output] = Object.entries(result.metafile.outputs).filter(([path]) => path.endsWith(".js"));
  const sources = Object.keys(result.metafile.inputs).filter((it) => /^[^:]+\.[cm]?[jt]sx?$/.test(it));
  return { code: file(".js"), map: file(".map"), imports: output[1].imports.map((it) => it.path), sources };
}

function told({ text, location }) {
  const place = location ? `${location.file}:${location.line}: ` : "";
  const missing = /Could not resolve "(node:)?([a-z/_]+)"/.exec(text)?.[2];
  const hint = missing ? `: a task has no \`${missing}\` unless it is installed; Node's own modules are not there in the sandbox` : "";
  return place + text + hint;
}

/** A source as the author knows it; none where it is the SDK's own. */
function nameOf(source, root) {
  if (/(^|\/)lovage:/.test(source)) return null;
  const path = realpath(`${root}/${source}`);
  return path.startsWith(realpathSync(SDK) + sep) ? null : relative(realpathSync(root), path).replaceAll(sep, "/");
}

function realpath(path) {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
