import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import type { InputProblem } from "../core/errors.ts";
import { connectionSchema } from "./connection.ts";

const env = z.record(
  z.string().regex(/^[A-Za-z_]\w*$/, { error: "should be a name such as LOG_LEVEL" }),
  z.string({ error: "should be text" }),
);

/** A Service's inputs as users write them; resources/service.ts has the meaning of each. */
export const serviceInputs = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, {
    error: "should be lower-case letters, digits and dashes, at most 40",
  }),
  connection: connectionSchema,
  process: z
    .strictObject({ command: z.array(z.string()).min(1, { error: "should name a program" }) })
    .optional(),
  container: z
    .strictObject({
      image: z.string().min(1).optional(),
      build: z
        .strictObject({
          context: z.string(),
          extraFiles: z.record(z.string(), z.string()).optional(),
          args: z.record(z.string(), z.string()).optional(),
        })
        .optional(),
      command: z.array(z.string()).optional(),
      publish: z.enum(["loopback", "everywhere"], { error: "should be loopback or everywhere" }).optional(),
      volumes: z
        .array(z.strictObject({ source: z.string(), target: z.string(), readOnly: z.boolean().optional() }))
        .optional(),
      gpus: z.union([z.enum(["all", "if-any"]), z.int().min(1)]).optional(),
    })
    .optional(),
  mode: z.enum(["auto", "native", "docker"], { error: "should be auto, native or docker" }).default("auto"),
  files: z
    .array(
      z.strictObject({
        path: z.string().min(1),
        content: z.string().optional(),
        source: z.string().optional(),
        mode: z
          .string()
          .regex(/^0?[0-7]{3}$/, { error: 'should be octal text such as "0644"' })
          .default("0644"),
      }),
    )
    .default([]),
  env: env.default({}),
  secretEnv: env.default({}),
  ports: z.array(z.int().min(1).max(65535)).default([]),
  restart: z
    .enum(["always", "on-failure", "no"], { error: "should be always, on-failure or no" })
    .default("always"),
  health: z
    .strictObject({
      http: z.strictObject({ port: z.int().min(1).max(65535), path: z.string().startsWith("/") }).optional(),
      command: z.string().min(1).optional(),
      timeoutSeconds: z.number().min(1).max(3600).default(60),
    })
    .optional(),
  /** Computed: digests of the files here that `source` and the build name, so that a changed file is a change. */
  sources: z.record(z.string(), z.string()).optional(),
});
export type ServiceInputs = z.infer<typeof serviceInputs>;

export function serviceRules(
  inputs: Partial<ServiceInputs>,
  unknown: readonly string[] = [],
): InputProblem[] {
  const problems: InputProblem[] = [];
  const lacks = (way: "process" | "container") => !inputs[way] && !unknown.includes(way);
  if (lacks("process") && lacks("container")) {
    problems.push({ path: "process", problem: "give a process, a container, or both" });
  }
  if (inputs.container && (inputs.container.image === undefined) === (inputs.container.build === undefined)) {
    problems.push({ path: "container", problem: "should have either image or build" });
  }
  if (inputs.mode === "native" && lacks("process")) {
    problems.push({ path: "mode", problem: "native needs a process" });
  }
  if (inputs.mode === "docker" && lacks("container")) {
    problems.push({ path: "mode", problem: "docker needs a container" });
  }
  for (const [i, file] of (inputs.files ?? []).entries()) {
    if ((file.content === undefined) === (file.source === undefined)) {
      problems.push({ path: `files[${i}]`, problem: "should have either content or source" });
    }
  }
  if (inputs.health && (inputs.health.http === undefined) === (inputs.health.command === undefined)) {
    problems.push({ path: "health", problem: "should have either http or command" });
  }
  for (const { path, file } of localFiles(inputs)) {
    try {
      readFileSync(file, { flag: "r" });
    } catch (error) {
      problems.push({
        path,
        problem: `${file} cannot be read here: ${(error as NodeJS.ErrnoException).code}`,
      });
    }
  }
  return problems;
}

/** Fills in the digests of local files. */
export function withSources(inputs: ServiceInputs): ServiceInputs {
  const sources: Record<string, string> = {};
  for (const { path, file } of localFiles(inputs)) {
    sources[path] = createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 24);
  }
  return { ...inputs, sources };
}

/** What differs between two sets of inputs, whatever folder the project was cloned into. */
export function comparable(path: keyof ServiceInputs, value: unknown): unknown {
  if (path === "files") return ((value ?? []) as ServiceInputs["files"]).map(({ source, ...rest }) => rest);
  if (path === "container") {
    const container = value as ServiceInputs["container"];
    return container && { ...container, build: container.build && { args: container.build.args } };
  }
  return value;
}

/** What is sent to the host for a build: the files of the context's folder, and those from elsewhere. */
export function buildFiles(build: NonNullable<NonNullable<ServiceInputs["container"]>["build"]>) {
  const own = readdirSync(build.context, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return [
    ...own.map((file) => ({ path: relative(build.context, file), file })),
    ...Object.entries(build.extraFiles ?? {}).map(([path, file]) => ({ path, file })),
  ];
}

function localFiles(inputs: Partial<ServiceInputs>): { path: string; file: string }[] {
  const files = (inputs.files ?? []).flatMap(({ source }, i) =>
    source === undefined ? [] : [{ path: `files[${i}].source`, file: source }],
  );
  const build = inputs.container?.build;
  if (!build) return files;
  const dockerfile = { path: "container.build.context", file: join(build.context, "Dockerfile") };
  if (!existsSync(dockerfile.file)) return [...files, dockerfile];
  return [
    ...files,
    ...buildFiles(build).map(({ path, file }) => ({ path: `container.build["${path}"]`, file })),
  ];
}
