// From a project to a component, in five steps: ask the module in Node for its tasks, ask TypeScript for their types,
// bundle, choose the world, and let componentize-js put the script into its engine.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { bundleForComponent, bundleForNode } from "./bundle.js";
import { embed, ENGINE } from "./engine.js";
import { Problem } from "./problem.js";
import { openProject } from "./project.js";
import { targetOf } from "./target.js";
import { readTypes } from "./types.js";
import { settled } from "./waits.js";
import { writeWorld } from "./world.js";

/** Builds a module. Each step that takes a while is told to `say`. */
export async function buildModule(folder, output, say) {
  const project = openProject(folder);
  const target = await targetOf(project, output);
  const scratch = await mkdtemp(join(tmpdir(), "lovage-"));
  try {
    say(`checking \`${project.name}\``);
    const { script, imports, shape, places } = await prepare(project, scratch);
    const world = join(scratch, "wit");
    await writeWorld(world, imports, shape);
    const stamp = await stampOf(script, world);
    if (await isBuilt(target, stamp)) return say(`nothing has changed in \`${target}\``);
    say("making the component");
    const component = await embed(scratch, script, world, shape, places);
    // A reader of the old file keeps it; nobody sees half of the new one.
    await writeFile(`${target}.part`, stamped(component, stamp));
    await rename(`${target}.part`, target);
    say(`built \`${target}\` (${(component.length / 2 ** 20).toFixed(1)} MiB)`);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The script of the component, and what it needs of its host. */
async function prepare(project, scratch) {
  const { tasks, wants } = await ask(project, scratch);
  if (tasks.length === 0) throw new Problem(`\`${project.entry}\` exports no task: write \`export const greet = task((args: { name: string }) => …)\``);
  const types = readTypes(project, tasks);
  const shape = { wants, batched: tasks.some((it) => it.batch), http: wants.some((it) => /^http\b/.test(it)) };
  const { code, imports, places } = await bundleForComponent(project, types, shape);
  return { script: code, imports, shape, places };
}

/** The module's own account of its tasks, and of what it wants. */
async function ask(project, scratch) {
  const { code, sources } = await bundleForNode(project);
  const file = join(scratch, "describe.mjs");
  await writeFile(file, code);
  process.setSourceMapsEnabled(true);
  try {
    const module = await settled(import(pathToFileURL(file).href), project.root, sources);
    return module.describe();
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(whereThrown(error, project.root) + (error instanceof Error ? error.message : String(error)));
  }
}

/** The author's own line that an error comes from, if it comes from one. */
function whereThrown(error, root) {
  const places = [...String(error?.stack).matchAll(/(?:\(|at )(?:file:\/\/)?(\/?[^()\s]+):(\d+):\d+/g)];
  const [, file, line] = places.find(([, path]) => resolve(path).startsWith(root + sep) && !/\/node_modules\/|lovage:entry/.test(path)) ?? [];
  return file ? `${relative(root, file).replaceAll(sep, "/")}:${line}: ` : "";
}

/** All that the component is made of. */
async function stampOf(script, world) {
  const text = `${ENGINE}\n${await readFile(join(world, "module.wit"), "utf8")}\n${script}`;
  return createHash("sha256").update(text).digest();
}

const SECTION = "lovage-build";

/** A component with a custom section at its end, by which a later build knows that nothing has changed. */
function stamped(component, stamp) {
  const name = Buffer.from(SECTION);
  const content = Buffer.concat([Buffer.from([name.length]), name, stamp]);
  return Buffer.concat([component, Buffer.from([0, content.length]), content]);
}

async function isBuilt(target, stamp) {
  if (!existsSync(target)) return false;
  return (await readFile(target)).subarray(-stamp.length).equals(stamp);
}
