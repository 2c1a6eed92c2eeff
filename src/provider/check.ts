import type { z } from "zod";
import type { InputProblem } from "../core/errors.ts";
import { inOurWords, numberIn, propertyPath } from "../core/schema-problems.ts";
import type { PluginContext } from "./context.ts";
import type { Handler } from "./handler.ts";
import { hasUnknown, type Properties } from "./rpc/values.ts";

/** Splits inputs into those that are wholly known and the names of the others (a preview has unknowns). */
export function knownOnly(inputs: Properties): { known: Properties; unknownNames: string[] } {
  const known: Properties = {};
  const unknownNames: string[] = [];
  for (const [key, value] of Object.entries(inputs)) {
    if (value === undefined || value === null) continue;
    if (hasUnknown(value)) unknownNames.push(key);
    else known[key] = value;
  }
  return { known, unknownNames };
}

/**
 * Checks inputs by the handler's schema and rules. All mistakes at once; defaults are filled in; properties that
 * are still unknown are passed through and checked when they are known.
 */
export function checkInputs(
  handler: Handler,
  raw: Properties,
  plugin?: PluginContext,
): { inputs: Properties; problems: InputProblem[] } {
  const { known, unknownNames } = knownOnly(raw);
  const mask = Object.fromEntries(
    unknownNames.filter((key) => key in handler.inputs.shape).map((key) => [key, true as const]),
  );
  const parsed = handler.inputs.omit(mask as Record<string, never>).safeParse(known, inOurWords);
  const unexpected = unknownNames
    .filter((key) => !(key in handler.inputs.shape))
    .map((key) => ({ path: key, problem: unrecognised(key, handler) }));
  if (!parsed.success) {
    return {
      inputs: raw,
      problems: [...unexpected, ...parsed.error.issues.flatMap((issue) => problemsOf(issue, handler))],
    };
  }
  const problems = [...unexpected, ...(handler.rules?.(parsed.data, unknownNames, plugin) ?? [])];
  if (problems.length > 0) return { inputs: raw, problems };
  const unknowns = Object.fromEntries(unknownNames.map((key) => [key, raw[key]]));
  const complete =
    handler.complete && unknownNames.length === 0 ? handler.complete(parsed.data, plugin) : parsed.data;
  return { inputs: { ...complete, ...unknowns }, problems: [] };
}

/** Secrets where strangers would read them. */
export function openSecrets(handler: Handler, secrets: ReadonlySet<string>): InputProblem[] {
  return (handler.openInputs ?? [])
    .filter((path) => secrets.has(path))
    .map((path) => ({
      path,
      problem: "holds a secret, and would be read by strangers; a Service takes secrets in secretEnv",
    }));
}

function problemsOf(issue: z.core.$ZodIssue, handler: Handler): InputProblem[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      path: propertyPath([...issue.path, key]),
      problem: issue.path.length === 0 ? unrecognised(key, handler) : "no such property",
    }));
  }
  // Of other values than numbers nothing is shown: an input may be a secret.
  const number = numberIn(issue);
  const seen = number === undefined ? "" : `, is ${number}`;
  return [{ path: propertyPath(issue.path), problem: `${issue.message}${seen}` }];
}

function unrecognised(key: string, handler: Handler): string {
  const near = Object.keys(handler.inputs.shape).find((name) => name.toLowerCase() === key.toLowerCase());
  return near
    ? `no such property; did you mean ${near}?`
    : `no such property (there are: ${Object.keys(handler.inputs.shape).join(", ")})`;
}
