import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { bundleProxy } from "./bundle.ts";
import { bundlePlugin } from "./bundle-plugin.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/**
 * Makes what is published: `lib/` (JavaScript and types of `src/`, because Node runs no TypeScript below node_modules)
 * and the bundles of proxy and plugin. `npm pack` calls it.
 */
export async function buildPackage(): Promise<void> {
  const lib = join(root, "lib");
  rmSync(lib, { recursive: true, force: true });
  await bundleProxy();
  await execa("tsc", ["-p", "tsconfig.build.json"], { cwd: root, preferLocal: true, stdio: "inherit" });
  // Catalog and captured data lie beside the code that reads them.
  for (const entry of readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith(".ts")) continue;
    const from = join(entry.parentPath, entry.name);
    cpSync(from, join(lib, from.slice(join(root, "src").length)));
  }
  await bundlePlugin("package");
}

if (import.meta.main) await buildPackage();
