import { describe, expect, test } from "vitest";
import { breaches, type Source } from "../../tools/check-rules.ts";

const clone = {
  root: "/home/dev/clone",
  exists: (path: string) => ["docs", "docs/a.md", "LICENSE"].includes(path),
};

interface Case extends Source {
  name: string;
  /** Line and a part of the problem; none: clean. */
  breach?: [line: number, problem: string];
}

describe("the project's own rules", () => {
  test.each<Case>([
    {
      name: "Pulumi below the provider",
      path: "src/ssh/a.ts",
      text: '\nimport * as p from "@pulumi/pulumi";',
      breach: [2, "only provider/"],
    },
    {
      name: "Pulumi at the end of a long import",
      path: "src/market/a.ts",
      text: 'import {\n  a,\n} from "@pulumi/pulumi";',
      breach: [3, "only provider/"],
    },
    {
      name: "Pulumi by a dynamic import",
      path: "src/cost/a.ts",
      text: 'await import("@pulumi/pulumi");',
      breach: [1, "only provider/"],
    },
    {
      name: "Pulumi in the provider",
      path: "src/provider/a.ts",
      text: 'import * as p from "@pulumi/pulumi";',
    },
    { name: "Pulumi in an example", path: "src/ssh/a.ts", text: ' * import * as p from "@pulumi/pulumi";' },
    {
      name: "the client in the emulator",
      path: "src/emulator/api/a.ts",
      text: 'import { x } from "../../clore/types.ts";',
      breach: [1, "share no code"],
    },
    {
      name: "the emulator in the client",
      path: "src/clore/a.ts",
      text: 'import { x } from "../emulator/a.ts";',
      breach: [1, "share no code"],
    },
    {
      name: "a neighbour in the emulator",
      path: "src/emulator/a.ts",
      text: 'import { x } from "./clore/types.ts";',
    },
    { name: "fetch anywhere", path: "src/host/a.ts", text: "await fetch(url);", breach: [1, "HTTP doors"] },
    { name: "fetch in a door", path: "src/clore/http.ts", text: "await fetch(url);" },
    {
      name: "somebody's own fetch method",
      path: "src/host/a.ts",
      text: "await app.fetch(url); prefetch(url);",
    },
    { name: "fetch in a test", path: "test/a.test.ts", text: "await fetch(url);" },
    {
      name: "this machine's path",
      path: "docs/a.md",
      text: "see /home/dev/clone/src",
      breach: [1, "path of this machine"],
    },
    { name: "a path that only begins alike", path: "docs/a.md", text: "see /home/dev/clone-2/src" },
    {
      name: "a registry",
      path: "package-lock.json",
      text: `"https://registry.npmjs${".org"}/a"`,
      breach: [1, "package registry"],
    },
    {
      name: "a link to nothing",
      path: "docs/a.md",
      text: "x\n[b](b.md#part)",
      breach: [2, "b.md, which is not there"],
    },
    {
      name: "links that lead somewhere",
      path: "docs/b.md",
      text: "[a](a.md#x) [l](../LICENSE) [w](https://x.y/z) [h](#here)",
    },
    {
      name: "an image that is not there",
      path: "README.md",
      text: '<img src="docs/no.svg">',
      breach: [1, "docs/no.svg"],
    },
    { name: "a link in a snippet", path: "README.md", text: "```md\n[b](b.md)\n```\n`[c](c.md)`" },
  ])("$name", ({ path, text, breach }) => {
    const found = breaches([{ path, text }], clone);
    expect(found).toEqual(
      breach ? [{ path, line: breach[0], problem: expect.stringContaining(breach[1]) }] : [],
    );
  });

  test("a clone in /app does not find its own name everywhere", () => {
    expect(
      breaches([{ path: "templates/Dockerfile", text: "WORKDIR /app" }], { ...clone, root: "/app" }),
    ).toEqual([]);
  });
});
