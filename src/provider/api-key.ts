import { randomBytes } from "node:crypto";
import { z } from "zod";
import { type Handler, inputChanges } from "./handler.ts";
import { stable } from "./rpc/values.ts";

type Inputs = { prefix: string };
type State = { key: string };

/** A random bearer key that lives in the state alone. */
export const apiKey: Handler<Inputs, State> = {
  inputs: z.strictObject({
    prefix: z
      .string()
      .regex(/^[\w-]{0,16}$/, { error: "should be at most 16 letters, digits, - and _" })
      .default("sk-clore-"),
  }),
  secretOutputs: ["key"],
  changes: ({ inputs }, want) =>
    inputChanges(
      inputs,
      want,
      () => "replace",
      (a, b) => stable(a) === stable(b),
    ),
  async create(want) {
    const id = `key-${randomBytes(6).toString("hex")}`;
    return { id, state: { key: `${want.prefix}${randomBytes(32).toString("base64url")}` } };
  },
  async update(_id, _want, known) {
    return known;
  },
  async read(id, known, inputs) {
    return known && inputs ? { id, inputs, state: known } : undefined;
  },
  async remove() {},
};
