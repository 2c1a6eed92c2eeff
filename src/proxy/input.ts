import type { HonoRequest } from "hono";
import * as z from "zod/mini";
import { ProxyError } from "./errors.ts";

const tokens = "must be a whole number from 1 to 65536";

// As in the guide's program, fields that are not known are not looked at.
const chat = z.object(
  {
    message: z.string("must be a string").check(z.minLength(1, "must not be empty")),
    system_prompt: z._default(z.string("must be a string"), "You are a helpful assistant."),
    max_tokens: z._default(z.int(tokens).check(z.gte(1, tokens), z.lte(65_536, tokens)), 2048),
  },
  "must be an object",
);

const vision = z.object({
  image_url: z.string("is needed").check(z.minLength(1, "must not be empty")),
  prompt: z.string("is needed").check(z.minLength(1, "must not be empty")),
});

/** @throws ProxyError `input.type` (415), `input.json` (400), `input.invalid` (422) */
export async function chatInput(request: HonoRequest): Promise<z.infer<typeof chat>> {
  if (!/^application\/(\S+\+)?json\s*(;|$)/i.test(request.header("content-type") ?? "")) {
    throw new ProxyError("input.type", {
      status: 415,
      message: "send JSON with Content-Type: application/json",
    });
  }
  const text = await request.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ProxyError("input.json", { status: 400, message: "the body is no JSON" });
  }
  return valid(chat, json);
}

/** @throws ProxyError `input.invalid` (422) */
export function visionInput(request: HonoRequest): z.infer<typeof vision> {
  return valid(vision, request.query());
}

function valid<T>(schema: z.ZodMiniType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`);
  throw new ProxyError("input.invalid", { status: 422, message: problems.join("; ") });
}
