import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { structProto } from "../../src/provider/rpc/proto.ts";
import {
  digest,
  hasUnknown,
  type Json,
  marshal,
  type Properties,
  stable,
  unknown,
  unmarshal,
} from "../../src/provider/rpc/values.ts";

const sig = "4dabf18193072939515e22adb298388d";
const secretSig = "1b47061264138c4ac30d75fd1eb44270";
const outputSig = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
const resourceSig = "5cf8f73096256a8f31e491e813e4eb8e";
const unknownText = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

function read(raw: { [key: string]: Json }) {
  return unmarshal(structProto.Struct.fromJavaScript(raw));
}

interface Case {
  name: string;
  wire: Json;
  value: unknown;
  secret: boolean;
}

describe("a property as the engine sends it", () => {
  test.each<Case>([
    { name: "plain", wire: "a", value: "a", secret: false },
    { name: "nothing", wire: null, value: null, secret: false },
    { name: "a secret", wire: { [sig]: secretSig, value: "k" }, value: "k", secret: true },
    {
      name: "a secret inside",
      wire: { a: [{ [sig]: secretSig, value: 1 }] },
      value: { a: [1] },
      secret: true,
    },
    { name: "unknown", wire: unknownText, value: unknown, secret: false },
    { name: "unknown inside", wire: [1, unknownText], value: [1, unknown], secret: false },
    {
      name: "a secret that is unknown",
      wire: { [sig]: secretSig, value: unknownText },
      value: unknown,
      secret: true,
    },
    {
      name: "an output",
      wire: { [sig]: outputSig, value: 5, dependencies: ["urn:x"] },
      value: 5,
      secret: false,
    },
    {
      name: "a secret output",
      wire: { [sig]: outputSig, value: { a: 1 }, secret: true },
      value: { a: 1 },
      secret: true,
    },
    {
      name: "an output without value",
      wire: { [sig]: outputSig, secret: true },
      value: unknown,
      secret: true,
    },
    {
      name: "a resource",
      wire: { [sig]: resourceSig, urn: "urn:x", id: "order-5" },
      value: "order-5",
      secret: false,
    },
  ])("$name", ({ wire, value, secret }) => {
    const { values, secrets } = read({ it: wire, other: 1 });
    expect(values.it).toEqual(value);
    expect([...secrets]).toEqual(secret ? ["it"] : []);
  });
});

const word = fc.stringMatching(/^[a-z]{1,6}$/);
const leaf = fc.oneof(fc.string(), fc.boolean(), fc.integer(), fc.constant(unknown), fc.constant(null));
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie("any"), { maxLength: 3 }),
    fc.dictionary(word, tie("any"), { maxKeys: 3 }),
  ),
})).any;
const properties: fc.Arbitrary<Properties> = fc.dictionary(word, value, { maxKeys: 6 });

describe("whatever the properties", () => {
  test("they come back as they were, secrets and unknowns included", () => {
    fc.assert(
      fc.property(properties, fc.func(fc.boolean()), (values, isSecret) => {
        const secrets = new Set(Object.keys(values).filter((key) => isSecret(key)));
        const back = unmarshal(marshal(values, secrets));
        expect(stable(back.values)).toBe(stable(values));
        expect(new Set(back.secrets)).toEqual(secrets);
      }),
    );
  });

  test("a secret is never outside its wrapping", () => {
    fc.assert(
      fc.property(properties, (values) => {
        const wire = marshal({ ...values, key: "hush-hush" }, new Set(["key"])).toJavaScript();
        expect(wire.key).toEqual({ [sig]: secretSig, value: "hush-hush" });
      }),
    );
  });

  test("equal values have equal digests, whatever the order of their keys", () => {
    fc.assert(
      fc.property(properties, (values) => {
        expect(digest(Object.fromEntries(Object.entries(values).toReversed()))).toBe(digest(values));
      }),
    );
  });
});

test("what is undefined is left out", () => {
  expect(marshal({ a: undefined, b: { c: undefined, d: 1 } }, new Set()).toJavaScript()).toEqual({
    b: { d: 1 },
  });
});

test.each([
  [unknown, true],
  [[1, [unknown]], true],
  [{ a: { b: unknown } }, true],
  [{ a: [1, "x", null] }, false],
  [undefined, false],
])("hasUnknown %#", (it, expected) => expect(hasUnknown(it)).toBe(expected));
