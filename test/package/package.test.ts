import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

describe("the npm package, as somebody's dependency", () => {
  const folder = mkdtempSync(join(tmpdir(), "clore-package-"));
  const modules = join(folder, "node_modules");
  const installed = join(modules, "pulumi-clore");

  beforeAll(async () => {
    mkdirSync(installed, { recursive: true });
    const { stdout } = await execa("npm", ["pack", "--json", "--pack-destination", folder], { cwd: root });
    // What prepack prints comes before the JSON.
    const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf("[\n"))) as [{ filename: string }];
    await execa("tar", ["-xzf", join(folder, filename), "--strip-components=1", "-C", installed]);
    for (const name of readdirSync(join(root, "node_modules"))) {
      if (!name.startsWith(".")) symlinkSync(join(root, "node_modules", name), join(modules, name));
    }
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("holds no TypeScript sources, tests or tools", () => {
    const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
    expect(files.filter((file) => /(?<!\.d)\.ts$/.test(file) || /^(test|tools|src)\//.test(file))).toEqual(
      [],
    );
  });

  test("can be imported, and brings the proxy that it deploys", async () => {
    const program = `import("pulumi-clore").then((m) => console.log(Object.keys(m).join()))`;
    const { stdout } = await execa(process.execPath, ["-e", program], { cwd: folder });
    expect(stdout.split(",")).toEqual(expect.arrayContaining(["GeminiProxy", "Server", "Service", "SshKey"]));
    expect(existsSync(join(installed, "dist/proxy.mjs"))).toBe(true);
  });

  test("its command and its plugin run", async () => {
    const { stdout } = await execa(join(installed, "bin/clore"), ["help"], { cwd: folder });
    expect(stdout).toContain("clore offers");
    const plugin = execa(join(installed, "bin/pulumi-resource-clore"), ["127.0.0.1:1"], {
      cwd: folder,
      reject: false,
    });
    const port = await new Promise<string>((resolve) =>
      plugin.stdout.once("data", (data) => resolve(String(data))),
    );
    plugin.kill("SIGTERM");
    await plugin;
    expect(Number(port)).toBeGreaterThan(1024);
  });

  test("its plugin is one file, which finds the package's templates and catalog", () => {
    const text = readFileSync(join(installed, "lib/provider/main.mjs"), "utf8");
    expect(text).not.toContain(root);
    const near = [...text.matchAll(/new URL\("([^"]+)", new URL\("([^"]+)", import\.meta\.url\)/g)];
    const files = near.map(([, file, from]) => join(dirname(join(installed, "lib/provider", from!)), file!));
    expect(files.length).toBeGreaterThan(2);
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
  });

  test("lets people use a newer Pulumi than its own", () => {
    const { dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    expect(dependencies["@pulumi/pulumi"]).toMatch(/^\^/);
  });
});
