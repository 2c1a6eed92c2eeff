import { z } from "zod";
import { CloreError } from "../core/errors.ts";
import { isRunning } from "../core/is-running.ts";
import { type Entry, mayBill } from "../ledger/ledger.ts";
import { rememberedMs } from "../rental/active.ts";
import { entriesOfKey, giveBackLeftOvers, type LastKey, nameOf } from "../rental/last-net.ts";
import { generateKeyPair } from "../ssh/keypair.ts";
import { type Call, type Handler, inputChanges } from "./handler.ts";
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
  /** Of what it was rented for: Pulumi asks for none of it any more when the program has dropped the Server. */
  warnings({ fingerprint }, { urn, plugin }) {
    const isLeft = (entry: Entry) =>
      !entry.kept &&
      !plugin.claims.isRecorded(entry) &&
      !isRunning(entry.pid) &&
      // What was asked for without an answer would show in a listing by then.
      (entry.orderId !== undefined || Date.now() - entry.changedAt.getTime() < rememberedMs);
    return entriesOfKey({ fingerprint, urn }, plugin.ledger.entries())
      .filter(isLeft)
      .map((entry) => {
        const of = entry.urn.split("::").at(-1);
        return `${nameOf(entry)}, left by an interrupted run, may still bill: this program goes on with it if it still has ${of}; otherwise \`clore ps\` shows whether it does, and \`pulumi destroy\` or \`clore sweep --cancel\` gives it back`;
      });
  },
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
  /** With the key goes the proof of what was rented with it, so what a crashed run has left is given back first. */
  async remove(_id, known, call) {
    const key = { fingerprint: known.fingerprint, privateKey: known.privateKey, urn: call.urn };
    const { plugin } = call;
    const left = entriesOfKey(key, plugin.ledger.entries());
    if (!plugin.hasKey) {
      if (left.length > 0) throw cannotGiveBack(left.map(nameOf));
      return;
    }
    try {
      await giveBack(key, call);
    } catch (error) {
      call.signal.throwIfAborted();
      // A key that Clore.ai refuses, in a stack that has never rented: it must not stand in the way.
      const mattersLittle = error instanceof CloreError && error.code === "clore.invalid-token";
      if (!mattersLittle || entriesOfKey(key, plugin.ledger.entries()).some(mayBill)) throw error;
      call.log.warn(`orders were not looked at: ${error.message}`);
    }
  },
};

function giveBack(key: LastKey, { plugin, log, signal }: Call): Promise<void> {
  const { clore, ledger, orders, claims, pollMs } = plugin;
  return giveBackLeftOvers(key, {
    clore,
    ledger,
    orders,
    claims,
    pollMs,
    account: plugin.account(),
    log,
    signal,
  });
}

function cannotGiveBack(left: readonly string[]): CloreError {
  return new CloreError("clore.no-api-key", {
    message: `${left.join(", ")} was rented with this key and may still bill, and no Clore.ai API key is configured to give it back`,
    hint: "set CLORE_API_KEY, or run: pulumi config set --secret clore:apiKey <key>",
  });
}
