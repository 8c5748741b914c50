/** A `lovage dev` of the tests' own, in a folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after } from "node:test";
import { connect } from "@lovage/client";

export interface Dev {
  url: string;
  /** Ends it, and starts it again in the same folder and at the same port. */
  restart: () => Promise<void>;
}

/** Starts it with the module `basics`, and ends it after the tests of the file. */
export async function dev(): Promise<Dev> {
  const binary = resolve(wanted("LOVAGE_BIN", "the built `lovage`"));
  const module = resolve(wanted("LOVAGE_TEST_MODULE", "the built module `basics.wasm`"));
  const folder = await mkdtemp(join(tmpdir(), "lovage-client-"));
  const port = await free();
  const url = `http://127.0.0.1:${port}`;
  // It reads its configuration from `LOVAGE_…`, and refuses a name that it does not know.
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("LOVAGE_"));
  let child: ChildProcess | undefined;
  const start = async () => {
    const listen = ["--listen", `127.0.0.1:${port}`];
    child = spawn(binary, ["dev", ...listen, "--grace", "1s", `basics=${module}`], {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
      env: Object.fromEntries(own),
    });
    let said = "";
    child.stderr?.on("data", (text) => (said += String(text)));
    await ready(url, child).catch((e: Error) => {
      throw new Error(`${e.message}; it said:\n${said}`);
    });
  };
  after(async () => {
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  });
  await start();
  const restart = async () => {
    await ended(child);
    await start();
  };
  return { url, restart };
}

function wanted(name: string, what: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`set ${name} to the path of ${what}`);
  return value;
}

function free(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}

/** Once it runs a job: the module is pushed, and a worker is there. */
async function ready(url: string, child: ChildProcess): Promise<void> {
  const client = connect({ url });
  for (let n = 0; n < 300; n++) {
    if (child.exitCode !== null) throw new Error(`\`lovage dev\` ended with ${child.exitCode}`);
    const added = client.basics.add
      .result({ a: 1, b: 2 }, { within: 1_000 })
      .catch(() => undefined);
    if ((await added) === 3) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error("`lovage dev` did not run a job");
}

function ended(child: ChildProcess | undefined): Promise<void> {
  return new Promise((done) => {
    if (!child || child.exitCode !== null) return done();
    child.once("exit", () => done());
    child.kill("SIGTERM");
  });
}
