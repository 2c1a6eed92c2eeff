import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { findGpu, requireGpu } from "../../src/catalog/gpus.ts";
import { configuredCatalog, loadCatalog } from "../../src/catalog/load.ts";
import { findModel } from "../../src/catalog/models.ts";
import { readQuestion } from "../../src/cli/offers.ts";
import { OllamaServer } from "../../src/components/ollama-server.ts";
import { generateKeyPair } from "../../src/ssh/keypair.ts";
import { Engine } from "../support/engine.ts";

const page = readFileSync(fileURLToPath(new URL("../../docs/catalog.md", import.meta.url)), "utf8");
/** The example of docs/catalog.md. */
const example = /^```yaml\n([\s\S]*?)^```/m.exec(page)![1]!;

const folder = mkdtempSync(join(tmpdir(), "clore-catalog-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const mine = file("mine.yaml", example);
const wrong = file("wrong.yaml", "gpus:\n  - { name: X1, vram: 4 }\n");

describe("CLORE_CATALOG", () => {
  test("unset or empty is the built-in catalog", () => {
    expect(configuredCatalog({})).toEqual(loadCatalog());
    expect(configuredCatalog({ CLORE_CATALOG: "" })).toEqual(loadCatalog());
  });

  test("names files, of which the last wins; the example of the documentation is one", () => {
    const again = file(
      "again.yaml",
      "gpus:\n  - { name: RTX 7090, variants: [{ vramGb: 48, bandwidthGBps: 1800 }], source: me }\n",
    );
    const one = configuredCatalog({ CLORE_CATALOG: mine });
    expect(findGpu("rtx 7090 founders", one)?.variants[0]?.vramGb).toBe(32);
    expect(findModel("Mine 3B", one)).toMatchObject({ tag: "mine:3b", downloadBytes: 2e9 });
    const both = configuredCatalog({ CLORE_CATALOG: [mine, again].join(delimiter) });
    expect(requireGpu("RTX 7090", both).variants[0]?.vramGb).toBe(48);
    expect(findModel("mine:3b", both)).toBeDefined();
  });

  test.each([
    { path: "mine.yaml", says: /"mine.yaml", which is not a whole path/ },
    { path: join(folder, "gone.yaml"), says: /gone\.yaml cannot be read/ },
  ])("$path is refused by name", ({ path, says }) => {
    expect(() => configuredCatalog({ CLORE_CATALOG: path })).toThrow(
      expect.objectContaining({ code: "catalog.unreadable", message: expect.stringMatching(says) }),
    );
  });

  test("is what a hint leads to", () => {
    expect(() => requireGpu("RTX 7090", loadCatalog())).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("CLORE_CATALOG") }),
    );
  });
});

test("clore offers reads it, and the files of --catalog on top", () => {
  const argv = ["--gpu", "RTX 7090", "--model", "mine:3b"];
  expect(readQuestion(argv, { CLORE_CATALOG: mine }).request).toMatchObject({ gpu: "RTX 7090" });
  expect(readQuestion([...argv, "--catalog", mine]).request).toMatchObject({ gpu: "RTX 7090" });
  expect(() => readQuestion(argv)).toThrow(expect.objectContaining({ code: "input.invalid" }));
});

describe("the program", () => {
  const registered: Record<string, unknown>[] = [];
  beforeAll(() =>
    pulumi.runtime.setMocks({
      call: () => expect.unreachable("nothing is to be called"),
      newResource({ type, name, inputs }) {
        if (type === "clore:index:Server") registered.push(inputs);
        return { id: name, state: inputs };
      },
    }),
  );
  afterEach(() => vi.unstubAllEnvs());

  test("sizes a model that only the user's file knows, and proposes a GPU of it", async () => {
    vi.stubEnv("CLORE_CATALOG", mine);
    new OllamaServer("mine", { model: "mine:3b", rent: { lease: "8h" } });
    await expect.poll(() => registered).toHaveLength(1);
    expect(registered[0]).toMatchObject({ gpu: expect.arrayContaining(["RTX 7090"]), loadGb: 3.4 });
  });

  test("says what is wrong with it, and rents nothing", () => {
    vi.stubEnv("CLORE_CATALOG", wrong);
    const make = () => new OllamaServer("wrong", { model: "gemma3:4b", rent: { lease: "8h" } });
    expect(make).toThrow(/catalog\.invalid: .*wrong\.yaml:2:5 [\s\S]*"vram"[\s\S]*\(nothing was rented\)/);
  });
});

describe("the plugin", () => {
  const { privateKey } = generateKeyPair("test");
  const inputs = { sshKey: { privateKey }, gpu: "RTX 7090", lease: "8h", maxPricePerDay: 2 };

  test("knows a GPU that only the user's file knows, and what it was seen to cost", async () => {
    await using engine = await Engine.start({ env: { CLORE_CATALOG: mine } });
    const { failures } = await engine.check("Server", inputs);
    expect(failures).toEqual([expect.stringMatching(/^maxPricePerDay: no RTX 7090 is that cheap: .* 9 USD/)]);
    expect((await engine.check("Server", { ...inputs, maxPricePerDay: 10 })).failures).toEqual([]);
  });

  test("says what is wrong with it", async () => {
    await using engine = await Engine.start({ env: { CLORE_CATALOG: wrong } });
    await expect(engine.check("Server", inputs)).rejects.toThrow(/catalog\.invalid: .*wrong\.yaml:2:5/);
  });

  test("without it names the nearest, and where others go", async () => {
    await using engine = await Engine.start();
    const { failures } = await engine.check("Server", inputs);
    expect(failures).toEqual([
      expect.stringMatching(/^gpu: no GPU class is called "RTX 7090"; .*CLORE_CATALOG/),
    ]);
  });
});
