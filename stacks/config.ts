import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { editDistance } from "../src/catalog/nearest.ts";
import type { InputProblem } from "../src/core/errors.ts";
import { inOurWords, propertyPath } from "../src/core/schema-problems.ts";

/** What every stack may have beside its own keys: read by index.ts. */
const ofAll = ["program"];

/**
 * Reads the stack's configuration by a schema whose keys are the config keys. Every value is JSON where it parses as
 * such, text otherwise. All mistakes come in one message, before anything is rented; a key that the schema does not
 * have is one, for a misspelt limit limits nothing.
 * @param rules what the schema cannot say, asked of the values as they were written
 * @throws pulumi.RunError which names each key, what is wrong with it and how to set it
 * @example const config = readConfig(z.object({ maxPricePerDay: z.number().positive() }))
 */
export function readConfig<S extends z.ZodObject>(
  schema: S,
  rules: (raw: Readonly<Record<string, unknown>>) => InputProblem[] = () => [],
): z.infer<S> {
  const project = new pulumi.Config().name;
  const raw = ownKeys(project);
  const parsed = schema.safeParse(raw, inOurWords);
  const problems = [
    ...unknownKeys(Object.keys(raw), [...Object.keys(schema.shape), ...ofAll]),
    ...(parsed.error?.issues ?? []).map(problemOf),
    ...rules(raw),
  ];
  if (parsed.success && problems.length === 0) return parsed.data;
  const lines = problems.map(({ path, problem }) => `  ${project}:${path}: ${problem}`);
  throw new pulumi.RunError(
    `the configuration of stack ${pulumi.getStack()} has ${lines.length === 1 ? "a mistake" : `${lines.length} mistakes`} (nothing was rented):\n` +
      `${lines.join("\n")}\n` +
      "Set a value with: pulumi config set <key> <value>",
  );
}

/** The values of the project's own keys, without `<project>:`. */
function ownKeys(project: string): Record<string, unknown> {
  const prefix = `${project}:`;
  return Object.fromEntries(
    Object.entries(pulumi.runtime.allConfig())
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, text]) => [key.slice(prefix.length), jsonOrText(text)]),
  );
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function unknownKeys(keys: readonly string[], known: readonly string[]): InputProblem[] {
  return keys
    .filter((key) => !known.includes(key))
    .map((path) => {
      const far = (name: string) => editDistance(path.toLowerCase(), name.toLowerCase());
      const [near = ""] = known.toSorted((a, b) => far(a) - far(b));
      const other = far(near) <= near.length / 3 ? `did you mean ${near}?` : `there are: ${known.join(", ")}`;
      return { path, problem: `no such key; ${other}` };
    });
}

function problemOf(issue: z.core.$ZodIssue): InputProblem {
  const seen = issue.message.startsWith("should ") ? `, ${shown(issue.input)}` : "";
  return { path: propertyPath(issue.path), problem: `${issue.message}${seen}` };
}

/** Of long texts nothing: one may be a key that was put in the wrong place. */
function shown(value: unknown): string {
  if (value === undefined) return "is not set";
  if (Array.isArray(value)) return "is a list";
  if (value !== null && typeof value === "object") return "is an object";
  const text = JSON.stringify(value);
  return text.length <= 60 ? `is ${text}` : "is a long text";
}
