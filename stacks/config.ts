import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";

/**
 * Reads the stack's configuration by a schema whose keys are the config keys. Every value is JSON where it parses as
 * such, text otherwise. All mistakes come in one message, before anything is rented.
 * @throws pulumi.RunError which names each key, what is wrong with it and how to set it
 * @example const config = readConfig(z.object({ maxPricePerDay: z.number().positive() }))
 */
export function readConfig<S extends z.ZodObject>(schema: S): z.infer<S> {
  const config = new pulumi.Config();
  const raw: Record<string, unknown> = {};
  for (const key of Object.keys(schema.shape)) {
    const text = config.get(key);
    if (text !== undefined) raw[key] = jsonOrText(text);
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(
    (issue) => `  ${config.name}:${issue.path.join(".")}: ${issue.message}`,
  );
  throw new pulumi.RunError(
    `the configuration of stack ${pulumi.getStack()} has ${lines.length === 1 ? "a mistake" : `${lines.length} mistakes`} (nothing was rented):\n` +
      `${lines.join("\n")}\n` +
      "Set a value with: pulumi config set <key> <value>",
  );
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
