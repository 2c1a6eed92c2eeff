import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { handlers } from "../../src/provider/handlers.ts";
import { serverInputs } from "../../src/provider/server-inputs.ts";
import { describeAll, describe as describeSource, fill, type Property } from "../../tools/reference.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const described = describeAll(root);

/** Inputs that the classes work out themselves: where a thing runs, and digests of local files. */
const computed: Readonly<Record<string, string>> = { connection: "server", sources: "" };

function documented(...interfaces: string[]): Property[] {
  return interfaces.flatMap((name) => described.get(name)?.properties ?? []);
}

test("docs/resources.md is what the docstrings say: run `node tools/reference.ts` after a change", () => {
  const page = readFileSync(`${root}/docs/resources.md`, "utf8");
  expect(fill(page, described)).toBe(page);
});

test("every class that the package exports has its section", async () => {
  const page = readFileSync(`${root}/docs/resources.md`, "utf8");
  const classes = Object.keys(await import("../../src/index.ts"));
  expect(classes.length).toBeGreaterThan(6);
  for (const name of classes) expect(page).toContain(`\n## ${name}\n`);
});

describe.each([
  { type: "SshKey", interfaces: ["SshKeyArgs"] },
  { type: "ApiKey", interfaces: ["ApiKeyArgs"] },
  { type: "Server", interfaces: ["RentedServerArgs", "ExistingServerArgs"] },
  { type: "Service", interfaces: ["ServiceArgs"] },
  { type: "Model", interfaces: ["ModelArgs"] },
  { type: "HealthCheck", interfaces: ["HealthCheckArgs"] },
])("inputs of $type", ({ type, interfaces }) => {
  const { shape } = handlers[`clore:index:${type}`]!.inputs;
  const inputs = documented(...interfaces);

  test("are those that the plugin accepts, none missing and none invented", () => {
    const accepted = Object.keys(shape).flatMap((key) => (key in computed ? (computed[key] ?? []) : key));
    const names = new Set(inputs.map(({ name }) => name));
    expect([...names].toSorted()).toEqual(accepted.filter(Boolean).toSorted());
  });

  test("say what they are", () => {
    const silent = inputs.filter(({ text, default: fallback }) => text === "" && fallback === undefined);
    expect(
      silent.map(({ name }) => name).filter((name) => !["files", "headers", "health"].includes(name)),
    ).toEqual([]);
  });

  test("are optional or required as the plugin takes them", () => {
    for (const { name, optional } of inputs) {
      const schema = shape[name];
      // `name` of a Service is the resource's, and existing hosts have inputs of their own.
      if (!schema || (type === "Service" && name === "name") || (type === "Server" && name === "address"))
        continue;
      expect({ name, optional }).toEqual({
        name,
        optional: z.safeParse(schema as z.ZodType, undefined).success,
      });
    }
  });

  test("have the defaults that the plugin fills in", () => {
    for (const [name, schema] of Object.entries(shape)) {
      if (!(schema instanceof z.ZodDefault)) continue;
      const value = schema.parse(undefined);
      if (typeof value === "object") continue; // nothing, as a list or a map
      expect(`${name}: ${inputs.find((one) => one.name === name)?.default}`).toBe(
        `${name}: ${JSON.stringify(value)}`,
      );
    }
  });
});

test("nested inputs of a Service are those that the plugin accepts", () => {
  const { shape } = handlers["clore:index:Service"]!.inputs;
  for (const [property, name] of [
    ["process", "ServiceProcess"],
    ["container", "ServiceContainer"],
    ["health", "ServiceHealth"],
  ] as const) {
    const inner = (shape[property] as z.ZodOptional<z.ZodObject>).unwrap();
    expect(
      documented(name)
        .map((one) => one.name)
        .toSorted(),
    ).toEqual(Object.keys(inner.shape).toSorted());
  }
});

test("limits of a Server name their unit", () => {
  const units = /GB|Mbps|USD|minutes|cores|Physical|0 to 1|per day/i;
  for (const { name, text } of documented("RentedServerArgs"))
    if (/^(min|max|bid)[A-Z]|Minutes$/.test(name)) expect(text, name).toMatch(units);
  expect(Object.keys(serverInputs.shape).length).toBeGreaterThan(20);
});

test("a docstring is taken apart into words, default, errors and examples", () => {
  const source = `
    interface A {
      /** The most to pay, in USD. @default no cap   @throws market.no-offer   @example 6 */
      cap?: pulumi.Input<pulumi.Input<number>[]>;
    }
    /**
     * Two lines
     * of it.
     * @example new B("b", { cap: 1 })
     */
    export class B { declare readonly out: pulumi.Output<Record<string, pulumi.Input<string>>>; }`;
  expect(describeSource(source)).toEqual(
    new Map([
      [
        "A",
        {
          text: "",
          examples: [],
          properties: [
            {
              name: "cap",
              type: "number[]",
              default: "no cap",
              optional: true,
              text: "The most to pay, in USD. Fails with market.no-offer.",
            },
          ],
        },
      ],
      [
        "B",
        {
          text: "Two lines\nof it.",
          examples: ['new B("b", { cap: 1 })'],
          properties: [
            { name: "out", type: "Record<string, string>", default: undefined, optional: false, text: "" },
          ],
        },
      ],
    ]),
  );
});
