/** A `lovage dev` of the tests' own, in a folder of its own. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after } from "node:test";
import { promisify } from "node:util";
import { connect } from "@lovage/client";

/** Starts one with the module `basics`, and what its `lovage.toml` says; it ends after the tests of the file. */
export async function dev(settings = ""): Promise<Dev> {
  const binary = resolve(wanted("LOVAGE_BIN", "the built `lovage`"));
  const module = resolve(wanted("LOVAGE_TEST_MODULE", "the built module `basics.wasm`"));
  const folder = await mkdtemp(join(tmpdir(), "lovage-client-"));
  await writeFile(join(folder, "lovage.toml"), settings);
  const dev = new Dev(binary, module, folder, await free());
  after(() => dev.stop());
  await dev.start();
  return dev;
}

export class Dev {
  readonly url: string;
  readonly #children: ChildProcess[] = [];

  constructor(
    readonly binary: string,
    readonly module: string,
    readonly folder: string,
    readonly port: number,
  ) {
    this.url = `http://127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    const listen = ["--listen", `127.0.0.1:${this.port}`];
    const module = `basics=${this.module}`;
    const client = connect({ url: this.url });
    // Once it runs a job the module is pushed, and a worker is there.
    const runs = async () => (await client.basics.add.result({ a: 1, b: 2 }, SOON)) === 3;
    await this.#run(["dev", ...listen, "--grace", "1s", module], runs);
  }

  /** Ends it, and starts it again in the same folder and at the same port. */
  async restart(): Promise<void> {
    await Promise.all(this.#children.splice(0).map(ended));
    await this.start();
  }

  /** A server in front of the same broker, which wants tokens. */
  async serve(): Promise<string> {
    const port = await free();
    const url = `http://127.0.0.1:${port}`;
    const listens = async () => (await fetch(`${url}/readyz`)).ok;
    await this.#run(["serve", "--listen", `127.0.0.1:${port}`], listens);
    return url;
  }

  /** A token for it. */
  async token(...options: string[]): Promise<string> {
    const words = ["token", "create", "--name", "test", "--json", ...options];
    const { stdout } = await promisify(execFile)(this.binary, words, this.#place());
    return (JSON.parse(stdout) as { token: string }).token;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.splice(0).map(ended));
    await rm(this.folder, { recursive: true, force: true });
  }

  #place() {
    // It reads its configuration from `LOVAGE_…`, and refuses a name that it does not know.
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("LOVAGE_"));
    const env = { ...Object.fromEntries(own), LOVAGE_BROKER: "sqlite:.lovage/lovage.db" };
    return { cwd: this.folder, env };
  }

  async #run(words: string[], isReady: () => Promise<boolean>): Promise<void> {
    const child = spawn(this.binary, words, {
      ...this.#place(),
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#children.push(child);
    let said = "";
    child.stderr?.on("data", (text) => (said += String(text)));
    for (let n = 0; n < 300 && child.exitCode === null; n++) {
      if (await isReady().catch(() => false)) return;
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`\`lovage ${words[0]}\` is not ready (${child.exitCode}); it said:\n${said}`);
  }
}

const SOON = { within: 1_000 };

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

function ended(child: ChildProcess): Promise<void> {
  return new Promise((done) => {
    if (child.exitCode !== null) return done();
    child.once("exit", () => done());
    child.kill("SIGTERM");
  });
}
