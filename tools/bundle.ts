import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, version as esbuildVersion } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const output = join(root, "dist/proxy.mjs");
/** What the last bundle was made of, so that an unchanged one is not made again. */
const record = join(root, "dist/proxy.inputs.json");
const placeholder = "@@proxy-version@@";

/**
 * Bundles src/proxy into `dist/proxy.mjs`: one ES module that runs on Node 22 and later without node_modules.
 * Same sources, same bytes. Skipped when neither sources, dependencies, esbuild nor this file changed.
 * @example const { path, bytes } = await bundleProxy();
 */
export async function bundleProxy(): Promise<{ path: string; bytes: number }> {
  const last = await lastInputs();
  if (last && last.hash === (await hashOf(last.inputs))) {
    const bytes = (await readFile(output).catch(() => undefined))?.length;
    if (bytes !== undefined) return { path: output, bytes };
  }
  const result = await build({
    absWorkingDir: root,
    entryPoints: ["src/proxy/main.ts"],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node22",
    // Smaller to send to a host and to keep in memory; what fails is told by code, not by stack.
    minify: true,
    // Node prints the whole source line above the stack of a crash.
    lineLimit: 160,
    legalComments: "none",
    define: { __PROXY_VERSION__: JSON.stringify(placeholder) },
    metafile: true,
    write: false,
  });
  const inputs = Object.keys(result.metafile.inputs).toSorted();
  const hash = await hashOf(inputs);
  const version = `${await packageVersion()}+${hash.slice(0, 12)}`;
  const text = result.outputFiles[0]!.text.replaceAll(placeholder, version);
  await replace(output, text);
  await replace(record, JSON.stringify({ hash, inputs }));
  return { path: output, bytes: Buffer.byteLength(text) };
}

async function lastInputs(): Promise<{ hash: string; inputs: string[] } | undefined> {
  try {
    return JSON.parse(await readFile(record, "utf8"));
  } catch {
    return undefined;
  }
}

/** The hash of what makes the bundle; a file that is gone makes it differ. */
async function hashOf(inputs: readonly string[]): Promise<string> {
  // Of package.json only the version: another script there must not look like another proxy.
  const hash = createHash("sha256").update(`${esbuildVersion}\0${await packageVersion()}`);
  for (const input of [...inputs, "tools/bundle.ts"]) {
    hash.update(`\0${input}\0`).update(await readFile(join(root, input)).catch(() => "gone"));
  }
  return hash.digest("hex");
}

async function packageVersion(): Promise<string> {
  return JSON.parse(await readFile(join(root, "package.json"), "utf8")).version;
}

/** Whole or not at all, and only what differs: two programs may bundle at the same moment. */
export async function replace(path: string, text: string): Promise<void> {
  if ((await readFile(path, "utf8").catch(() => undefined)) === text) return;
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, text);
  await rename(temporary, path);
}

if (import.meta.main) {
  const start = performance.now();
  const { path, bytes } = await bundleProxy();
  const ms = Math.round(performance.now() - start);
  console.log(`${relative(process.cwd(), path)} ${Math.round(bytes / 1024)} KiB, ${ms} ms`);
}
