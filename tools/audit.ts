import { spawnSync } from "node:child_process";
import { z } from "zod";

/** What `npm audit --json` says; of an error of the registry it says `error` or `message` instead. */
const report = z.object({
  vulnerabilities: z.record(
    z.string(),
    z.object({
      severity: z.string(),
      via: z.array(z.union([z.string(), z.looseObject({ title: z.string() })])),
    }),
  ),
});
const failure = z.object({
  message: z.string().optional(),
  error: z.looseObject({ summary: z.string() }).optional(),
});

/** `unknown`: the registry serves no audits. That is no finding, in a pipeline neither: a mirror would fail it for ever. */
export interface Verdict {
  outcome: "clean" | "findings" | "unknown";
  lines: readonly string[];
}

/** Findings of severity high and critical, by what npm printed. Pure. */
export function verdictOf(printed: string): Verdict {
  const json = parse(printed);
  const parsed = report.safeParse(json);
  if (!parsed.success) {
    const { message, error } = failure.safeParse(json).data ?? {};
    const why = message || error?.summary || "npm printed no report";
    return { outcome: "unknown", lines: [`not audited, the registry gives no answer: ${why}`] };
  }
  const lines = Object.entries(parsed.data.vulnerabilities)
    .filter(([, { severity }]) => severity === "high" || severity === "critical")
    .map(([name, { severity, via }]) => {
      const why = via.map((one) => (typeof one === "string" ? `through ${one}` : one.title)).join("; ");
      return `${name}: ${severity}: ${why}`;
    });
  return { outcome: lines.length === 0 ? "clean" : "findings", lines };
}

/** Asks the registry about all packages of the lock file. */
export function audit(root: string): Verdict {
  // Bounded: a registry that never answers must not hold up the check.
  const { stdout } = spawnSync("npm", ["audit", "--json"], { cwd: root, encoding: "utf8", timeout: 60_000 });
  return verdictOf(stdout ?? "");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
