import { expect, test } from "vitest";
import { verdictOf } from "../../tools/audit.ts";

const finding = (severity: string, via: unknown[]) => ({
  name: "x",
  severity,
  isDirect: true,
  via,
  range: "*",
});

test.each([
  { name: "nothing", report: { vulnerabilities: {} }, outcome: "clean", lines: [] },
  {
    name: "a moderate one",
    report: { vulnerabilities: { x: finding("moderate", ["y"]) } },
    outcome: "clean",
    lines: [],
  },
  {
    name: "a high one, by its title",
    report: { vulnerabilities: { x: finding("high", [{ title: "runs anything", severity: "high" }]) } },
    outcome: "findings",
    lines: ["x: high: runs anything"],
  },
  {
    name: "a critical one that came with another",
    report: { vulnerabilities: { x: finding("critical", ["y"]), z: finding("low", []) } },
    outcome: "findings",
    lines: ["x: critical: through y"],
  },
  {
    name: "a mirror that serves no audits",
    report: { message: "405 Method Not Allowed - POST", statusCode: 405, error: { summary: "", detail: "" } },
    outcome: "unknown",
    lines: ["not audited, the registry gives no answer: 405 Method Not Allowed - POST"],
  },
])("an audit that finds $name", ({ report, outcome, lines }) => {
  expect(verdictOf(JSON.stringify(report))).toEqual({ outcome, lines });
});

test.each(["", "<html>", "null"])("npm that prints %j has audited nothing", (printed) => {
  expect(verdictOf(printed)).toEqual({
    outcome: "unknown",
    lines: ["not audited, the registry gives no answer: npm printed no report"],
  });
});
