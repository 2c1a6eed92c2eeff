import * as pulumi from "@pulumi/pulumi";

/** One program a workload: the stack's name picks it, or the config value `program` where the stack is named otherwise. */
const programs = {
  "gemini-proxy": () => import("./gemini-proxy.ts"),
  "gemma-4b": () => import("./gemma-4b.ts"),
  "gemma-12b": () => import("./gemma-12b.ts"),
  "gemma-27b": () => import("./gemma-27b.ts"),
  "qwen-7b": () => import("./qwen-7b.ts"),
};

export default async function main(): Promise<Record<string, unknown>> {
  const name = new pulumi.Config().get("program") ?? pulumi.getStack();
  const load = programs[name as keyof typeof programs];
  if (!load) {
    throw new pulumi.RunError(
      `there is no program "${name}" in stacks/ (there are: ${Object.keys(programs).join(", ")}).\n` +
        "Name the stack after one of them, or set one with: pulumi config set program gemini-proxy",
    );
  }
  return (await load()).default();
}
