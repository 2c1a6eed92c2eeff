import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { structProto } from "./proto.ts";

/** Plain JSON as it travels in a google.protobuf.Struct. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Properties = { [key: string]: unknown };

// Source: Pulumi's pkg/resource plugin protocol; the same constants stand in @pulumi/pulumi/runtime/rpc.
const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
const outputSignature = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
const resourceSignature = "5cf8f73096256a8f31e491e813e4eb8e";
const unknownStrings = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);
const unknownString = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Stands where a value is not known before the update ran (preview only). */
export const unknown: unique symbol = Symbol("unknown until the update has run");

/** Properties as handlers see them: secrets unwrapped, unknowns as `unknown`. */
export interface Unmarshalled {
  values: Properties;
  /** Top-level properties that held a secret anywhere. */
  secrets: ReadonlySet<string>;
}

/** Reads a Struct: unwraps secrets and outputs, turns unknowns into the symbol. */
export function unmarshal(
  struct: import("google-protobuf/google/protobuf/struct_pb.js").Struct | undefined,
): Unmarshalled {
  const raw = (struct?.toJavaScript() ?? {}) as { [key: string]: Json };
  const secrets = new Set<string>();
  const values: Properties = {};
  for (const [key, value] of Object.entries(raw)) {
    values[key] = plain(value, () => secrets.add(key));
  }
  return { values, secrets };
}

function plain(value: Json, onSecret: () => void): unknown {
  if (typeof value === "string") return unknownStrings.has(value) ? unknown : value;
  if (Array.isArray(value)) return value.map((item) => plain(item, onSecret));
  if (value === null || typeof value !== "object") return value;
  switch (value[signatureKey]) {
    case secretSignature:
      onSecret();
      return plain(value.value ?? null, onSecret);
    case outputSignature:
      if (value.secret === true) onSecret();
      return "value" in value ? plain(value.value as Json, onSecret) : unknown;
    case resourceSignature:
      return plain((value.id as Json) ?? null, onSecret);
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item, onSecret)]));
}

/** Writes properties as a Struct; those named in `secrets` are wrapped, so that the engine encrypts them. */
export function marshal(values: Properties, secrets: ReadonlySet<string>) {
  const out: { [key: string]: Json } = {};
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) continue;
    const json = wire(value);
    out[key] = secrets.has(key) ? { [signatureKey]: secretSignature, value: json } : json;
  }
  return structProto.Struct.fromJavaScript(out);
}

function wire(value: unknown): Json {
  if (value === unknown) return unknownString;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((item) => (item === undefined ? null : wire(item)));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => [key, wire(item)]),
    );
  }
  return value as Json;
}

/** Whether an unknown stands anywhere in the value. */
export function hasUnknown(value: unknown): boolean {
  if (value === unknown) return true;
  if (Array.isArray(value)) return value.some(hasUnknown);
  return value !== null && typeof value === "object" && Object.values(value).some(hasUnknown);
}

/** A stable digest of any JSON value (keys sorted), 16 hex digits. */
export function digest(value: unknown): string {
  return createHash("sha256").update(stable(value)).digest("hex").slice(0, 16);
}

/** JSON with sorted keys, so that equal values give equal text. */
export function stable(value: unknown): string {
  if (value === unknown) return '"<unknown>"';
  if (Array.isArray(value)) return `[${value.map(stable).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return `{${entries
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => `${JSON.stringify(key)}:${stable(item)}`)
      .join(",")}}`;
  }
  return JSON.stringify(value ?? null);
}

/** SHA-256 of a local file, in hex. */
export function fileDigest(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
