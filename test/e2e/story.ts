import { expect } from "vitest";
import type { Ran, Stack } from "../support/stack.ts";

export interface Outputs {
  url: string;
  apiKey: string;
  firstAnswer: string;
  orderId?: number;
  serverId?: number;
  pricePerDay: number;
  ssh: string;
}

/** Fails with what the user saw. */
export function expectOk(ran: Ran): void {
  expect(ran.exitCode, ran.output).toBe(0);
}

/** A chat as any other client of the proxy sends it. */
export async function chat({ url, apiKey }: Pick<Outputs, "url" | "apiKey">): Promise<string> {
  const response = await fetch(`${url}/chat`, {
    method: "POST",
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    body: JSON.stringify({ message: "Are you there?" }),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return (JSON.parse(text) as { response: string }).response;
}

/** Id and outputs of the one resource of a type. */
export async function resource(stack: Stack, type: string) {
  const found = (await stack.resources()).filter((each) => each.type === `clore:index:${type}`);
  expect(found).toHaveLength(1);
  return found[0]!;
}

export interface Ground {
  stack: Stack;
  config: Record<string, unknown>;
  upstreamKey: string;
  /** How it runs there. */
  runsAs: "native" | "docker";
}

/**
 * up → refresh → no difference → price cap → environment → another version → a broken version → back. The proxy is
 * asked by a second client after each, and its server is never another one.
 */
export async function liveThrough(
  { stack, config, upstreamKey, runsAs }: Ground,
  timings: string[],
): Promise<Outputs> {
  const timed = async (name: string, run: Promise<Ran>) => {
    const ran = await run;
    timings.push(`${name} ${ran.seconds.toFixed(1)} s`);
    return ran;
  };

  expectOk(await timed("up", stack.up()));
  const first = await stack.outputs<Outputs>();
  expect(first.firstAnswer).not.toBe("");
  expect(await chat(first)).not.toBe("");
  const withoutKey = await fetch(`${first.url}/chat`, { method: "POST", body: "{}" });
  expect(withoutKey.status).toBe(401);
  const service = await resource(stack, "Service");
  expect(service.outputs).toMatchObject({ runsAs, status: "running" });
  expect(await stack.stateText()).not.toMatch(new RegExp(`PRIVATE KEY|${first.apiKey}|${upstreamKey}`));

  expectOk(await timed("refresh", stack.run("refresh", "--yes", "--skip-preview")));
  expectOk(await timed("preview", stack.run("preview", "--expect-no-changes")));
  expectOk(await timed("up, nothing to change", stack.up("--expect-no-changes")));

  if (config.maxPricePerDay !== undefined) {
    stack.configure({ ...config, maxPricePerDay: 30 });
    const ran = await timed("up, price cap", stack.up());
    expectOk(ran);
    expect(ran.output).toMatch(/~ 1 updated/);
    expect((await resource(stack, "Service")).outputs.revision).toBe(service.outputs.revision);
  }

  const another = { ...config, maxPricePerDay: config.maxPricePerDay && 30, model: "gemini-3-1-flash" };
  stack.configure(another);
  expectOk(await timed("up, environment", stack.up()));
  const changed = await resource(stack, "Service");
  expect(changed.id).toBe(service.id);
  expect(changed.outputs.revision).not.toBe(service.outputs.revision);
  expect(await chat(first)).toContain("gemini-3-1-flash");

  stack.changeBundle((text) => `${text}\n// another version\n`);
  expectOk(await timed("up, version", stack.up()));
  const newer = await resource(stack, "Service");
  expect(newer.outputs.revision).not.toBe(changed.outputs.revision);

  stack.changeBundle(() => 'console.log("about to fall"); throw new Error("it does not work");');
  const broken = await timed("up, broken version", stack.up());
  expect(broken.exitCode, broken.output).not.toBe(0);
  expect(broken.output).toMatch(
    /(service|container) gemini-proxy ended at its start with exit code 1; the (version|one) before it runs again/,
  );
  expect(broken.output).toContain("it does not work");
  await expect.poll(() => chat(first), { timeout: 10_000 }).toContain("gemini-3-1-flash");

  stack.changeBundle((text) => `${text}\n// mended\n`);
  expectOk(await timed("up, mended", stack.up()));
  expect(await chat(first)).toContain("gemini-3-1-flash");

  const last = await stack.outputs<Outputs>();
  expect(last).toMatchObject({ url: first.url, apiKey: first.apiKey, ssh: first.ssh });
  expect(last.orderId).toBe(first.orderId);
  return last;
}

/** Gives everything back and proves it from outside. */
export async function takeDown(stack: Stack, outputs: Outputs, timings: string[]): Promise<void> {
  const ran = await stack.destroy();
  timings.push(`destroy ${ran.seconds.toFixed(1)} s`);
  expectOk(ran);
  expect(await stack.resources()).toEqual([]);
  await expect(fetch(`${outputs.url}/healthz`)).rejects.toThrow();
}
