/** A process that writes to a ledger: `node child.ts <directory> <intents>`. */
import { Ledger } from "../../src/ledger/ledger.ts";

const [directory = "", intents = "0"] = process.argv.slice(2);
const ledger = new Ledger(directory);
for (let n = 0; n < Number(intents); n++) {
  const id = ledger.intend({
    account: `account-${process.pid}`,
    urn: `urn:${"x".repeat(500)}`,
    keyFingerprint: "SHA256:abc",
    serverId: n,
    image: "image",
    market: "on-demand",
    currency: "USD-Blockchain",
    pricePerDay: 1.5,
  });
  ledger.conclude(id, { outcome: "order", orderId: n });
}
