import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse } from "yaml";

/**
 * The project whose folder this is, as the CLI sees it: the nearest Pulumi.yaml upwards. There the CLI leaves the
 * project out of the names of its stacks.
 */
export function projectOf(folder: string): string | undefined {
  for (const name of ["Pulumi.yaml", "Pulumi.yml", "Pulumi.json"]) {
    try {
      const project = parse(readFileSync(join(folder, name), "utf8")) as { name?: unknown };
      return typeof project?.name === "string" ? project.name : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") return undefined;
    }
  }
  const parent = dirname(folder);
  return parent === folder ? undefined : projectOf(parent);
}
