// `npm run check`: format and lint, types, the project's own rules, known holes in dependencies. All of them run, so that one look shows all.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { audit } from "./audit.ts";
import { breaches } from "./check-rules.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function passes(name: string, command: string, ...args: string[]): boolean {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  console.log(`${status === 0 ? "ok  " : "FAIL"}  ${name}${error ? `: ${error.message}` : ""}`);
  return status === 0;
}

function ownRules(): boolean {
  const tracked = spawnSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" });
  const paths = tracked.stdout.split("\0").filter((path) => path !== "" && existsSync(join(root, path)));
  const sources = paths.map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
  const found = breaches(sources, { root, exists: (path) => existsSync(join(root, path)) });
  for (const { path, line, problem } of found) console.log(`${path}:${line}: ${problem}`);
  const ok = tracked.status === 0 && found.length === 0;
  console.log(`${ok ? "ok  " : "FAIL"}  own rules (${paths.length} files)`);
  return ok;
}

function dependencies(): boolean {
  const { outcome, lines } = audit(root);
  for (const line of lines) console.log(line);
  const words = { clean: "ok  ", findings: "FAIL", unknown: "??  " };
  console.log(`${words[outcome]}  npm audit, high and critical`);
  return outcome !== "findings";
}

const results = [
  passes("format and lint", "biome", "check", "--no-errors-on-unmatched", "."),
  passes("types", "tsc", "--project", "."),
  ownRules(),
  dependencies(),
];
process.exitCode = results.every(Boolean) ? 0 : 1;
