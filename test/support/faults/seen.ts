import type { FaultOptions } from "../../../src/emulator/faults.ts";
import type { ServerSpec } from "./program.ts";

/** What a user sees of one fault that strikes once. The table in docs/reliability.md is made of these. */
export interface Seen {
  options?: FaultOptions;
  /** Where it strikes: in the first up, or once a server runs, in what follows. @default "up" */
  in?: "up" | "refresh" | "destroy";
  /** What the program asks for, beside its name. */
  server?: Partial<ServerSpec>;
  /** Whether the command ends well. @default true */
  ok?: boolean;
  /** Parts of what is said, in order; none: nothing but what a quiet run says. */
  says: readonly string[];
  /** Orders that were made in all, by the end of the command. @default 1 */
  orders?: number;
  /** How many of them bill then. @default 1; 0 after a destroy */
  billing?: number;
  /** For the table, in the user's words. */
  text: string;
}

const nextOffer = (why: string) => [`server 100: ${why}`, "trying the next offer", "rented #101 as order"];
const lookedFor = ["looking whether the order exists all the same", "rented #100 as order"];
const quietly: readonly string[] = [];

/** Every fault of the emulator. */
export const seen: Readonly<Record<string, Seen>> = {
  "success-then-cut": {
    says: ["clore.cut", ...lookedFor],
    text: "“clore.cut, looking whether the order exists all the same”, then the server",
  },
  "cut-before": {
    options: { path: "create_order" },
    says: ["clore.cut, looking whether", "it did not appear; trying the next offer", "rented #101"],
    text: "of a create: the same look, then “the answer to the order was unclear, and it did not appear; trying the next offer”; of anything else: nothing, it is asked again",
  },
  "create-500-after-success": {
    says: ["clore.database-error", ...lookedFor],
    text: "“clore.database-error, looking whether the order exists all the same”, then the server",
  },
  "create-500": {
    says: [
      "clore.database-error, looking whether",
      "it did not appear; trying the next offer",
      "rented #101",
    ],
    text: "the same look, then “it did not appear; trying the next offer”",
  },
  "code6-200": {
    says: nextOffer("clore.server-offline"),
    text: "“server N: clore.server-offline …; trying the next offer”",
  },
  "code6-500": {
    says: nextOffer("clore.server-offline"),
    text: "“server N: clore.server-offline …; trying the next offer”",
  },
  "currency-not-allowed": {
    says: nextOffer("clore.currency-not-allowed"),
    text: "“server N: clore.currency-not-allowed …; trying the next offer”",
  },
  "server-already-rented": {
    says: nextOffer("clore.server-already-rented"),
    text: "“server N: clore.server-already-rented …; trying the next offer”",
  },
  "server-offline": {
    says: nextOffer("clore.server-offline"),
    text: "“server N: clore.server-offline …; trying the next offer”",
  },
  "not-enough-balance": {
    ok: false,
    says: ["clore.not-enough-balance", "hint: top up the wallet of this currency, or pay in another"],
    orders: 0,
    billing: 0,
    text: "the error `clore.not-enough-balance` at once, with the hint to top up: every offer would share it",
  },
  "empty-listing": {
    in: "refresh",
    says: quietly,
    text: "nothing: an empty listing proves nothing, the completed orders are asked too. `rental.unknown` when it lasts; the state is kept",
  },
  "shrunken-listing": {
    in: "refresh",
    says: quietly,
    text: "nothing: an order that one listing lacks is looked up in another",
  },
  "rate-limit-storm": {
    options: { times: 3 },
    says: quietly,
    text: "nothing: it waits and asks again; `clore.rate-limited` when it lasts for minutes",
  },
  "html-403": {
    ok: false,
    says: [
      "clore.blocked",
      "Access denied",
      "hint: try from another network, without VPN or proxy; nothing was done",
    ],
    orders: 0,
    billing: 0,
    text: "the error `clore.blocked` with the first words of the page and the hint to try from another network",
  },
  "html-502": {
    options: { times: 2 },
    says: quietly,
    text: "nothing: reads are asked again; the API's error when it lasts",
  },
  "server-error": {
    options: { times: 2 },
    says: quietly,
    text: "nothing: reads are asked again; `clore.database-error` when it lasts",
  },
  "cancel-ignored-once": {
    in: "destroy",
    says: quietly,
    text: "a longer `destroy`: the cancel is repeated until the order is read to be gone",
  },
  "cancel-fails-then-works": {
    in: "destroy",
    says: quietly,
    text: "a longer `destroy`: the cancel is repeated until the order is read to be gone",
  },
  "cancel-500-after-success": { in: "destroy", says: quietly, text: "nothing: the order is read to be gone" },
  "slow-answer": { options: { ms: 300 }, says: quietly, text: "a slower command" },
  "delayed-visibility": { says: ["rented #100 as order"], text: "a longer “looking for the order on #N”" },
  "stuck-container": {
    server: { bootMinutes: 0.05 },
    says: nextOffer("rental.boot-timeout"),
    orders: 2,
    text: "“server N: rental.boot-timeout …; trying the next offer” after `bootMinutes`",
  },
  "price-changed": {
    says: [...nextOffer("")],
    text: "“the answer to the order was unclear, and it did not appear; trying the next offer”: the listed price is required, so the service refuses; `rental.dearer` should an order cost more than the cap all the same",
  },
  "no-gpu": {
    server: { gpu: "RTX 3090" },
    says: nextOffer("host."),
    orders: 2,
    text: "“server N: host.…; trying the next offer”, with what was promised and what was found, where the program asks for a GPU",
  },
  "wrong-gpu": {
    server: { gpu: "RTX 3090" },
    says: nextOffer("host."),
    orders: 2,
    text: "“server N: host.…; trying the next offer”, with what was promised and what was found, where the program asks for a GPU",
  },
  "full-disk": {
    says: ["rented #100"],
    text: "nothing of the server itself; a Model that does not fit is an error with what is free, before it is pulled",
  },
  "ssh-refused": {
    says: nextOffer("ssh.refused"),
    orders: 2,
    text: "“server N: ssh.refused …; trying the next offer”, after `bootMinutes` at the latest",
  },
  "ssh-reset": {
    says: nextOffer("ssh.reset"),
    orders: 2,
    text: "“server N: ssh.reset …; trying the next offer”, after `bootMinutes` at the latest",
  },
  "ssh-no-banner": {
    says: nextOffer("ssh.timed-out"),
    orders: 2,
    text: "“server N: ssh.timed-out …; trying the next offer”, after `bootMinutes` at the latest",
  },
  "ssh-no-auth": {
    says: nextOffer("ssh.auth-failed"),
    orders: 2,
    text: "“server N: ssh.auth-failed …; trying the next offer”, after `bootMinutes` at the latest",
  },
  "ssh-slow-banner": { options: { ms: 2000 }, says: ["rented #100"], text: "a slower `up`" },
  "ssh-slow": { says: ["rented #100"], text: "a slower `up`" },
  "ssh-slow-line": { says: ["rented #100"], text: "a slower `up`" },
  "ssh-cut": {
    options: { bytes: 1000 },
    says: nextOffer("ssh."),
    orders: 2,
    text: "“server N: ssh.…; trying the next offer” when no login succeeds; later a new connection, or an error in the middle of a command that the next `up` mends",
  },
  "ssh-half-open": {
    options: { bytes: 1000 },
    says: nextOffer("ssh."),
    orders: 2,
    text: "“server N: ssh.…; trying the next offer” when no login succeeds; later a new connection, or an error in the middle of a command that the next `up` mends",
  },
  "ssh-well": { says: ["rented #100"], text: "nothing: it ends the faults of a line" },
  "clock-skew": {
    says: ["rented #100"],
    text: "nothing: `guard` and `sweep` take the lesser of clock and billed time as an order's age",
  },
  "host-key-changed": {
    in: "refresh",
    says: ["ssh.host-key-changed"],
    text: "`ssh.host-key-changed`: nothing is sent to that host any more, and the next `up` replaces it",
  },
  "order-vanishes": {
    in: "refresh",
    says: ["is gone: the next up rents another"],
    billing: 0,
    text: "“order N on server M is gone: the next up rents another”, without SSH to the dead host",
  },
  outbid: {
    in: "refresh",
    server: { spot: true },
    says: ["was outbid: the next up bids again within maxPricePerDay, or rents another"],
    text: "“order N was outbid: the next up bids again within maxPricePerDay, or rents another”",
  },
  reboot: {
    in: "refresh",
    says: quietly,
    text: "nothing, or a reconnect; in the middle of a command an error that says so, and the next `up` mends it",
  },
  "killed-processes": {
    in: "refresh",
    says: quietly,
    text: "nothing of the server; a Service that does not run shows in `refresh`, and the next `up` starts it",
  },
  "ssh-drop": {
    in: "refresh",
    says: quietly,
    text: "nothing: a new connection; in the middle of a command an error that says so, and the next `up` mends it",
  },
};

/** Rows of the table in docs/reliability.md, by fault. */
export function tableRows(): string[] {
  return Object.entries(seen).map(([name, one]) => {
    const bills = billing(one);
    const orders = bills === 0 ? "nothing" : "one order";
    return `| \`${name}\` | ${one.text} | ${orders} |`;
  });
}

export function billing({ billing, in: where }: Seen): number {
  return billing ?? (where === "destroy" ? 0 : 1);
}
