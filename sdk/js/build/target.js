// The file that a build makes, looked at before anything is built.

import { constants } from "node:fs";
import { access, mkdir, open, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Problem } from "./problem.js";

/** What every component begins with. */
const HEAD = Buffer.from("\0asm");

/** Where the component goes: in a folder that is there then, and in the place of nothing but a component. */
export async function targetOf(project, output) {
  const target = output ? resolve(output) : join(project.root, `${project.name}.wasm`);
  const is = await stat(target).catch(() => undefined);
  if (is?.isDirectory() || /[\\/]$/.test(output ?? "")) {
    throw new Problem(`\`${target}\` is a folder: name the file, as \`${join(target, `${project.name}.wasm`)}\``);
  }
  if (is && !(is.isFile() && (await isOurs(target)))) {
    throw new Problem(`\`${target}\` is there, and is no component: it is not overwritten`);
  }
  const folder = dirname(target);
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (error) {
    throw new Problem(`\`${target}\` cannot be written: ${error.message}`);
  }
  return target;
}

/** Whether it is a component, or empty, as what was made for one. */
async function isOurs(file) {
  const opened = await open(file);
  try {
    const { buffer, bytesRead } = await opened.read(Buffer.alloc(HEAD.length), 0, HEAD.length, 0);
    return bytesRead === 0 || buffer.equals(HEAD);
  } finally {
    await opened.close();
  }
}
