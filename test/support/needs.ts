import { lacks, type Part } from "../../tools/setup/machine.ts";

/**
 * For tests that need more than Node: whether to skip them, because this machine lacks one of `parts`. Says why.
 * With `CI=true` nothing is skipped: what is missing is an error, and so a failed file.
 * `npm test` has looked already and hands the answer on in CLORE_TEST_HAS; plain vitest looks here.
 * @throws Error with CI=true, when something is missing
 * @example describe.skipIf(needs("docker", "root"))("a container host", () => { … })
 */
export function needs(...parts: Part[]): boolean {
  return lacking(parts, process.env);
}

/** The rule behind `needs`, with the environment handed in. */
export function lacking(
  parts: readonly Part[],
  env: NodeJS.ProcessEnv,
  look: (part: Part) => string | undefined = lacks,
  say: (line: string) => void = console.warn,
): boolean {
  const known = env.CLORE_TEST_HAS?.split(",");
  const missing = known ? parts.filter((part) => !known.includes(part)) : parts.filter(look);
  if (missing.length === 0) return false;
  const why = missing.map((part) => `${part} (${look(part) ?? "not offered by CLORE_TEST_HAS"})`).join(", ");
  if (env.CI === "true") throw new Error(`with CI=true no test is skipped, and these need ${why}`);
  say(`skipped: needs ${why}`);
  return true;
}
