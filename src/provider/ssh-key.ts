import { z } from "zod";
import { generateKeyPair } from "../ssh/keypair.ts";
import { type Handler, inputChanges } from "./handler.ts";
import { stable } from "./rpc/values.ts";

type Inputs = { comment: string };
type State = { publicKey: string; privateKey: string; fingerprint: string };

/** The key pair that servers are rented with. */
export const sshKey: Handler<Inputs, State> = {
  inputs: z.strictObject({
    comment: z
      .string()
      .regex(/^[\x20-\x7e]{0,100}$/, { error: "should be at most 100 printable ASCII characters" })
      .default("pulumi-clore"),
  }),
  secretOutputs: ["privateKey"],
  changes: ({ inputs }, want) =>
    inputChanges(
      inputs,
      want,
      () => "replace",
      (a, b) => stable(a) === stable(b),
    ),
  async create(want) {
    const pair = generateKeyPair(want.comment);
    return { id: pair.fingerprint, state: { ...pair } };
  },
  async update(_id, _want, known) {
    return known;
  },
  async read(id, known, inputs) {
    return known && inputs ? { id, inputs, state: known } : undefined;
  },
  async remove() {},
};
