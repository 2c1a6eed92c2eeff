import { readdir, readFile, stat, utimes } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { replace } from "./bundle.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Where a bundle is made from and to: of a clone's sources, and of the JavaScript that is published. */
const places = {
  clone: { entry: "src/provider/main.ts", output: "dist/provider/main.mjs" },
  package: { entry: "lib/provider/main.js", output: "lib/provider/main.mjs" },
};

/**
 * Bundles the plugin and its libraries into one file: reading some 700 modules is most of what its start costs, and
 * the engine starts it for every command. `bin/on-node24` runs it as long as no source is newer, so a bundle that is
 * newer than its sources is left as it is.
 * @example await bundlePlugin("clone"); // dist/provider/main.mjs
 */
export async function bundlePlugin(place: keyof typeof places): Promise<string> {
  const { entry, output } = places[place];
  const path = join(root, output);
  if (place === "clone" && (await isNewest(path))) return path;
  const start = new Date();
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    outfile: path,
    write: false,
    logLevel: "error",
    plugins: [fromItsPlace(dirname(path)), nativeCode],
    // Libraries in CommonJS ask for these.
    banner: {
      js: [
        `import { createRequire as requireFrom } from "node:module";`,
        "const require = requireFrom(import.meta.url);",
        "const __filename = import.meta.filename, __dirname = import.meta.dirname;",
      ].join("\n"),
    },
  });
  await replace(path, result.outputFiles[0]!.text);
  // A source that was saved while it bundled is newer than the bundle.
  await utimes(path, start, start);
  return path;
}

/** As `bin/on-node24` sees it: folders count too, for a source that was removed. */
async function isNewest(path: string): Promise<boolean> {
  const made = await stat(path).catch(() => undefined);
  if (!made) return false;
  const sources = await readdir(join(root, "src"), { recursive: true });
  const inputs = ["src", "package-lock.json", ...sources.map((name) => join("src", name))];
  for (const input of [...inputs, "tools/bundle-plugin.ts"]) {
    const source = await stat(join(root, input)).catch(() => undefined); // gone again, or an editor's dangling link
    if (!source || source.mtimeMs >= made.mtimeMs) return false;
  }
  return true;
}

/** Our modules find templates and data from where they themselves lie, not from where the bundle does. */
function fromItsPlace(folder: string): Plugin {
  return {
    name: "from-its-place",
    setup({ onLoad }) {
      onLoad({ filter: /[/\\](src|lib)[/\\].*\.(ts|js)$/ }, async ({ path }) => {
        if (path.includes("node_modules")) return undefined;
        const own = `new URL(${JSON.stringify(relative(folder, path).replaceAll("\\", "/"))}, import.meta.url).href`;
        const contents = (await readFile(path, "utf8")).replaceAll("import.meta.url", own);
        return { contents, loader: path.endsWith(".ts") ? "ts" : "js" };
      });
    },
  };
}

/** Cannot be bundled, and is looked for in node_modules when it runs; ssh2 does without where it was not built. */
const nativeCode: Plugin = {
  name: "native-code",
  setup({ onResolve }) {
    onResolve({ filter: /\.node$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path).replaceAll("\\", "/").split("/node_modules/").at(-1)!,
      external: true,
    }));
    onResolve({ filter: /^cpu-features$/ }, () => ({ external: true }));
  },
};
