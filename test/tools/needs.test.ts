import { expect, test } from "vitest";
import { lacking } from "../support/needs.ts";

const look = (part: string) => (part === "docker" ? "no docker on the PATH" : undefined);

test.each([
  { name: "all there", parts: ["sshd"], env: {}, skip: false },
  {
    name: "one missing",
    parts: ["sshd", "docker"],
    env: {},
    skip: true,
    said: "skipped: needs docker (no docker on the PATH)",
  },
  {
    name: "the runner has looked and found it",
    parts: ["docker"],
    env: { CLORE_TEST_HAS: "sshd,docker" },
    skip: false,
  },
  {
    name: "the runner has looked in vain",
    parts: ["sshd"],
    env: { CLORE_TEST_HAS: "" },
    skip: true,
    said: "skipped: needs sshd (not offered by CLORE_TEST_HAS)",
  },
  { name: "all there in a pipeline", parts: ["sshd"], env: { CI: "true" }, skip: false },
] as const)("$name", ({ parts, env, skip, ...rest }) => {
  const said: string[] = [];
  expect(lacking(parts, env, look, (line) => said.push(line))).toBe(skip);
  expect(said).toEqual("said" in rest ? [rest.said] : []);
});

test("in a pipeline what is missing is an error", () => {
  expect(() => lacking(["docker"], { CI: "true" }, look)).toThrow(
    "these need docker (no docker on the PATH)",
  );
});
