import type { z } from "zod";

/** Zod's kinds of value, as people say them. */
const kinds: Record<string, string> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};

/**
 * What a value should be, in this project's words; for `safeParse(value, inOurWords)`. A schema's own message goes
 * before it.
 * @example z.int().max(65535).safeParse(99999, inOurWords) // "should be at most 65535"
 */
export const inOurWords = { error: shouldBe, reportInput: true } as const;

function shouldBe(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return `should be ${kinds[issue.expected] ?? issue.expected}`;
    case "too_big":
      return `should ${limit(issue.origin, issue.inclusive === false ? "below" : "at most", issue.maximum)}`;
    case "too_small":
      if (issue.minimum === 1 && !isNumber(issue.origin)) return "should not be empty";
      return `should ${limit(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum)}`;
    case "invalid_value":
      return `should be ${issue.values.map(String).join(" or ")}`;
    case "invalid_format":
      return issue.format === "url" ? "should be an address: https://host" : undefined;
  }
}

/** "be at most 65535", "have at most 10 characters" */
function limit(origin: string, how: string, bound: number | bigint): string {
  if (isNumber(origin)) return `be ${how} ${bound}`;
  return `have ${how} ${bound} ${origin === "string" ? "characters" : "entries"}`;
}

/** The number that an issue is about; undefined where the value is none or no number was asked for. */
export function numberIn(issue: z.core.$ZodIssue): number | undefined {
  const asked =
    issue.code === "too_big" || issue.code === "too_small"
      ? isNumber(issue.origin)
      : issue.code === "invalid_type" && isNumber(issue.expected);
  return asked && typeof issue.input === "number" ? issue.input : undefined;
}

const isNumber = (kind: string) => kind === "number" || kind === "int";

/** `ports["8080"]`, `files[0].path`: as Pulumi writes property paths. */
export function propertyPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, i) => {
      if (typeof part === "number") return `[${part}]`;
      const text = String(part);
      if (/^[A-Za-z_]\w*$/.test(text)) return i === 0 ? text : `.${text}`;
      return `[${JSON.stringify(text)}]`;
    })
    .join("");
}
